"""Spans that leave over HTTP; and a collector that is away, which costs nothing but spans."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from stream_processors.engine.messages import InboundRecord
from stream_processors.engine.span_export import ExportingTracer
from stream_processors.engine.trace_context import TraceContext, trace_context
from stream_processors.engine.tracing import Spans
from tests.span_collector import Collector, collecting
from tests.waiting import wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
RECORD = InboundRecord(
    "events.session",
    2,
    7,
    b"session-1",
    b"{}",
    {"id": b"event-1", "traceparent": f"00-{TRACE}-{PARENT}-01".encode()},
)
CONTEXT = TraceContext(TRACE, PARENT, sampled=True)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


def test_a_span_names_its_record_and_is_the_parent_of_what_the_record_causes(
    collector: Collector,
) -> None:
    tracer = ExportingTracer("worker")
    spans = Spans(tracer, [RECORD])
    handed_on = dict(spans.headers_for(RECORD))
    spans.end([])
    tracer.close()

    [span] = collector.spans
    assert (span.service, span.name) == ("outbox-worker", "process events.session")
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert handed_on == {
        "eventId": b"event-1",
        "traceparent": f"00-{TRACE}-{span.span_id}-01".encode(),
    }
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": "events.session",
        "messaging.destination.partition.id": "2",
        "messaging.kafka.offset": 7,
        "outbox.event_id": "event-1",
        "outbox.aggregate_type": "session",
        "outbox.aggregate_id": "session-1",
    }
    assert span.start_ns < span.end_ns
    assert not span.refused


def test_the_span_of_a_record_that_became_an_exception_is_an_error(collector: Collector) -> None:
    tracer = ExportingTracer("worker")
    Spans(tracer, [RECORD]).end([RECORD])
    tracer.close()

    assert [span.refused for span in collector.spans] == [True]


def test_a_record_whose_trace_is_not_sampled_has_no_span_and_hands_its_trace_on(
    collector: Collector,
) -> None:
    traceparent = f"00-{TRACE}-{PARENT}-00".encode()
    unsampled = replace(RECORD, headers={"traceparent": traceparent})
    tracer = ExportingTracer("worker")
    spans = Spans(tracer, [unsampled, replace(RECORD, headers={})])
    handed_on = spans.headers_for(unsampled)
    spans.end([])
    tracer.close()

    assert handed_on == (("traceparent", traceparent),)
    assert collector.spans == []


def test_a_collector_that_is_away_delays_nothing_and_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = _free_port()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    tracer = ExportingTracer("worker")
    with structlog.testing.capture_logs() as lines:
        began = time.monotonic()
        for _ in range(2_000):
            tracer.begin(RECORD, CONTEXT).end(refused=False)
        took_seconds = time.monotonic() - began
        time.sleep(1)
        assert [line["event"] for line in lines] == ["spans_dropped"]
        with collecting(port) as collector:
            tracer.begin(RECORD, CONTEXT).end(refused=False)
            wait_until("a span has come", lambda: collector.spans, is_so=bool, seconds=20)
            wait_until("that is told", lambda: lines[1:], is_so=bool, seconds=20)
        tracer.close()

    # The queue took 100 of them; nobody waited for the rest.
    assert took_seconds < 2
    [again] = lines[1:]
    assert again["event"] == "spans_exported_again"
    assert again["dropped"] + len(collector.spans) == 2_001
    assert again["dropped"] >= 1_900


def test_a_process_that_ends_waits_two_seconds_for_a_collector_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        tracer = ExportingTracer("worker")
        tracer.begin(RECORD, CONTEXT).end(refused=False)
        began = time.monotonic()
        tracer.close()

    assert time.monotonic() - began < 3


def test_the_record_of_these_tests_is_sampled() -> None:
    assert trace_context(RECORD.headers["traceparent"]) == CONTEXT


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
