"""Spans of what our processes do with an event, for a collector of OpenTelemetry; off by default.

Where no address of a collector is set nothing of OpenTelemetry is imported, and the trace context
of an event is handed on as it came.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

import structlog

from stream_processors.engine.event_log import sampled_context
from stream_processors.engine.origin import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream_processors.engine.messages import InboundRecord
    from stream_processors.engine.trace_context import TraceContext

ENDPOINT_SETTINGS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_DISABLED_SETTING = "OTEL_SDK_DISABLED"
_EXIT_USAGE = 2

_log = structlog.get_logger(__name__)


class Span(Protocol):
    """What a process did with one record, from `begin` to `end`."""

    traceparent: bytes
    """Names this span as the parent of what the record causes."""

    def end(self, *, refused: bool) -> None:
        """Finish it; `refused` where the record could not be used."""
        ...


class Tracer(Protocol):
    """Makes spans. Nothing it does may delay or stop a batch."""

    def begin(self, record: InboundRecord, parent: TraceContext) -> Span:
        """Begin the span of what is done with a record."""
        ...

    def close(self) -> None:
        """Send what is finished, for a moment at most."""
        ...


class Spans:
    """The spans of those records of a batch whose trace is sampled; none without a `tracer`."""

    def __init__(self, tracer: Tracer | None, records: Iterable[InboundRecord]) -> None:
        self._spans: dict[str, Span] = {}
        if tracer is not None:
            for record in records:
                parent = sampled_context(record)
                if parent is not None:
                    self._spans[record.position] = tracer.begin(record, parent)

    def headers_for(self, record: InboundRecord) -> tuple[tuple[str, bytes], ...]:
        """Return what each record that is caused by this one carries, its span as the parent."""
        origin = origin_of(record)
        span = self._spans.get(record.position)
        return origin.headers if span is None else origin.within(span.traceparent).headers

    def end(self, refused: Sequence[InboundRecord]) -> None:
        """Finish all of them."""
        positions = {record.position for record in refused} if self._spans else set()
        for position, span in self._spans.items():
            span.end(refused=position in positions)


def tracer_from_environment(process: str) -> Tracer | None:
    """Return the tracer of a process, by its name; None where no collector's address is set.

    Ends the process where one is set and OpenTelemetry is not installed.
    """
    setting = next((name for name in ENDPOINT_SETTINGS if os.environ.get(name)), None)
    if setting is None or os.environ.get(_DISABLED_SETTING, "").lower() == "true":
        return None
    try:
        from stream_processors.engine.span_export import ExportingTracer  # noqa: PLC0415
    except ImportError as error:
        _log.critical(
            "setting_refused",
            setting=setting,
            error=f"it asks for spans to be exported, and {error.name} is not installed: install "
            "the extra (pip install 'billing-outbox[tracing]'), or unset it",
        )
        sys.exit(_EXIT_USAGE)
    return ExportingTracer(process)
