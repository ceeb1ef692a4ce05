"""Which lines there are of an event, at which level, and by which ids they are found."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from schemas import codec, topics
from schemas.records import ExceptionReport
from stream_processors.engine.event_log import ids_of, log_processed
from stream_processors.engine.messages import InboundRecord, OutboundRecord

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"
EVENT = InboundRecord(
    "events.session",
    3,
    17,
    b"session-1",
    b'{"mentorId": "mentor-1"}',
    {"id": b"event-1", "createdAt": b"2026-03-01T12:00:00Z", "traceparent": SAMPLED.encode()},
)
PAYABLE = OutboundRecord(topics.PAYABLES.name, b"ledger-1", b"payable")


class Log:
    """A log at a level, as a process has it, and the lines that were written to it."""

    def __init__(self, level: str) -> None:
        self._capture = LogCapture()
        self.logger: Any = structlog.wrap_logger(
            None,
            processors=[self._capture],
            wrapper_class=structlog.make_filtering_bound_logger(level),
        )

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [(line["log_level"], line["event"]) for line in self._capture.entries]

    @property
    def fields(self) -> list[Mapping[str, object]]:
        return [
            {name: value for name, value in line.items() if name not in ("event", "log_level")}
            for line in self._capture.entries
        ]


def _with_trace(traceparent: str | None, position: int = 17) -> InboundRecord:
    value = None if traceparent is None else traceparent.encode()
    return replace(EVENT, offset=position, headers={**EVENT.headers, "traceparent": value})


@pytest.mark.parametrize(
    ("level", "levels"),
    [("DEBUG", ["info", "debug", "debug"]), ("INFO", ["info"]), ("WARNING", [])],
)
def test_a_sampled_event_has_its_line_at_info_and_every_other_at_debug(
    level: str, levels: list[str]
) -> None:
    log = Log(level)
    traces = (SAMPLED, UNSAMPLED, None)

    log_processed(log.logger, [(_with_trace(trace), [PAYABLE]) for trace in traces])

    assert log.lines == [(written_at, "event_processed") for written_at in levels]


def test_a_line_gives_the_ids_of_its_event_and_no_value_of_it() -> None:
    log = Log("INFO")

    log_processed(log.logger, [(EVENT, [PAYABLE])])

    assert log.fields == [
        {
            "event_id": "event-1",
            "aggregate_type": "session",
            "aggregate_id": "session-1",
            "trace_id": TRACE,
            "traceparent": SAMPLED,
            "position": "events.session[3]@17",
            "emitted": ["billing.payables"],
        }
    ]


@pytest.mark.parametrize("prefix", ["", "trial."])
def test_what_a_package_is_told_is_about_the_package(prefix: str) -> None:
    told = InboundRecord(f"{prefix}billing.package-sessions", 0, 1, b"package-1", b"")

    assert ids_of(told) == {
        "aggregate_type": "package",
        "aggregate_id": "package-1",
        "position": f"{prefix}billing.package-sessions[0]@1",
    }


def _report(*, standing: bool) -> OutboundRecord:
    report = ExceptionReport(
        reason="undecodable",
        subject="events.session[3]@17",
        source_event_id="event-1",
        standing=standing,
        basis=0,
        error="sessionId: 'of a person' is not …",
        record=b"{}",
    )
    return OutboundRecord(topics.DEAD_LETTERS.name, b"key", codec.encode(report))


def test_what_is_reported_has_a_line_whether_sampled_or_not_and_without_its_text() -> None:
    log = Log("WARNING")
    refused, fine = _with_trace(None), _with_trace(SAMPLED, 18)

    reported = log_processed(
        log.logger,
        [(refused, [_report(standing=True)]), (fine, [_report(standing=False), PAYABLE])],
    )

    assert reported == [refused]
    assert log.lines == [("warning", "exception_reported")]
    [fields] = log.fields
    assert (fields["event_id"], fields["reason"]) == ("event-1", "undecodable")
    assert "of a person" not in str(fields)


def test_a_record_that_says_nothing_is_found_by_its_position() -> None:
    assert ids_of(InboundRecord("elsewhere", 0, 1, None, None)) == {"position": "elsewhere[0]@1"}


def test_bytes_that_are_no_text_are_told_as_far_as_they_are() -> None:
    odd = replace(EVENT, key=b"s\xff", headers={"id": b"\xfe"})

    assert ids_of(odd)["aggregate_id"] == "s\ufffd"
    assert ids_of(odd)["event_id"] == "\ufffd"
