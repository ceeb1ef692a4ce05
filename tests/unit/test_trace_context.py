import pytest

from stream_processors.engine.trace_context import TraceContext, trace_context

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("flags", "sampled"), [("01", True), ("00", False), ("03", True), ("02", False), ("ff", True)]
)
def test_the_lowest_flag_says_whether_a_trace_is_sampled(flags: str, sampled: bool) -> None:
    traceparent = f"00-{TRACE}-{PARENT}-{flags}".encode()

    assert trace_context(traceparent) == TraceContext(TRACE, PARENT, sampled)


def test_a_later_version_may_say_more() -> None:
    later = f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like".encode()

    assert trace_context(later) == TraceContext(TRACE, PARENT, sampled=True)


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        b"",
        b"00-1-2-01",
        f"00-{TRACE}-{PARENT}-01-more".encode(),
        f"00-{TRACE}-{PARENT}-01 ".encode(),
        f"00-{TRACE.upper()}-{PARENT}-01".encode(),
        f"ff-{TRACE}-{PARENT}-01".encode(),
        f"00-{'0' * 32}-{PARENT}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        b"\xff" * 55,
    ],
)
def test_what_is_no_traceparent_is_no_trace(traceparent: bytes | None) -> None:
    assert trace_context(traceparent) is None
