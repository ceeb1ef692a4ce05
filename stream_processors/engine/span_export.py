"""Spans by OpenTelemetry, sent to a collector over HTTP: the only module that imports it.

Where to, how often and with what credentials is said by OpenTelemetry's own settings (OTEL_…).
A collector that is away or slow costs spans, never a bill: they wait in a queue that has an end,
are sent by a thread of their own, and what finds no room is dropped and counted.
"""

from __future__ import annotations

import logging
import os
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode

from stream_processors.engine.event_log import ids_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_processors.engine.messages import InboundRecord
    from stream_processors.engine.trace_context import TraceContext

_log = structlog.get_logger(__name__)

_NOT_TAKEN = "the collector does not take spans, or not as quickly as they come"
_CLOSE_SECONDS = 2.0
_SERVICE_NAME_SETTING = "OTEL_SERVICE_NAME"
_FIELDS_OF_THE_TRACE = {"trace_id", "traceparent", "position"}


class ExportingTracer:
    """Begins a span for each record it is given; see `engine.tracing.Tracer`."""

    def __init__(self, process: str) -> None:
        resource = Resource.create(
            {
                "service.name": os.environ.get(_SERVICE_NAME_SETTING) or f"outbox-{process}",
                "service.version": version("billing-outbox"),
            }
        )
        # Whether a trace is sampled was decided where it began; others are not asked for spans.
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(_Queue())
        self._tracer = self._provider.get_tracer(__name__)

    def begin(self, record: InboundRecord, parent: TraceContext) -> ExportedSpan:
        """Begin the span of what is done with a record."""
        return ExportedSpan(
            self._tracer.start_span(
                f"process {record.topic}",
                context=trace.set_span_in_context(trace.NonRecordingSpan(_remote(parent))),
                kind=SpanKind.CONSUMER,
                attributes=_attributes(record),
            )
        )

    def close(self) -> None:
        """Send what is finished, for two seconds at most: nobody waits for a collector to stop."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


class ExportedSpan:
    """A span of OpenTelemetry's, as `engine.tracing.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        context = span.get_span_context()
        flags = f"{context.trace_flags:02x}"
        self.traceparent = (
            f"00-{trace.format_trace_id(context.trace_id)}"
            f"-{trace.format_span_id(context.span_id)}-{flags}"
        ).encode()

    def end(self, *, refused: bool) -> None:
        """Finish it, as an error where the record was refused."""
        if refused:
            self._span.set_status(Status(StatusCode.ERROR, "it became an exception"))
        self._span.end()


class _Queue(BatchSpanProcessor):
    """OpenTelemetry's own queue; what finds no room in it is counted, not logged each time."""

    def __init__(self) -> None:
        self._exporter = _Exporter(OTLPSpanExporter())
        super().__init__(self._exporter)
        # OTEL_BSP_MAX_QUEUE_SIZE, as the queue itself has read it.
        self._spans_max: int = self._default_max_queue_size()  # type: ignore[no-untyped-call]

    def on_end(self, span: ReadableSpan) -> None:
        """Take a finished span in, where there is room."""
        if self._exporter.admit(self._spans_max):
            super().on_end(span)


class _Exporter(SpanExporter):
    """Sends spans, and says so once when that begins to fail, and once when it works again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lock = threading.Lock()
        self._waiting = 0
        self._dropped = 0
        # It says more of the first failure than that it was one; then no more until it works again.
        its_log = logging.getLogger(type(exporter).__module__)
        its_log.setLevel(logging.ERROR)
        its_log.addFilter(lambda _: self._dropped == 0)

    def admit(self, spans_max: int) -> bool:
        """Let one more span wait, unless so many do already: then it is dropped."""
        with self._lock:
            if self._waiting < spans_max:
                self._waiting += 1
                return True
        self._drop(1, _NOT_TAKEN)
        return False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans. Raises nothing: what could not be sent is dropped."""
        reason = _NOT_TAKEN
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next are tried again
            reason = repr(error)
            result = SpanExportResult.FAILURE
        with self._lock:
            self._waiting -= len(spans)
        if result is SpanExportResult.SUCCESS:
            self._tell_recovery()
        else:
            self._drop(len(spans), reason)
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()

    def _drop(self, spans: int, reason: str) -> None:
        with self._lock:
            first = not self._dropped
            self._dropped += spans
        if first:
            _log.warning("spans_dropped", reason=reason)

    def _tell_recovery(self) -> None:
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            _log.warning("spans_exported_again", dropped=dropped)


def _remote(parent: TraceContext) -> trace.SpanContext:
    return trace.SpanContext(
        trace_id=int(parent.trace_id, 16),
        span_id=int(parent.parent_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )


def _attributes(record: InboundRecord) -> dict[str, str | int]:
    ids = {
        f"outbox.{name}": value
        for name, value in ids_of(record).items()
        if name not in _FIELDS_OF_THE_TRACE
    }
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
        **ids,
    }
