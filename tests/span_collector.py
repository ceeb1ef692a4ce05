"""A collector of spans, as OpenTelemetry's protocol has it: what it was sent, to be looked at."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it came; its ids in hexadecimal, its times in nanoseconds since 1970."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: dict[str, str | int]
    refused: bool


@dataclass
class Collector:
    """What came so far, in its order of arrival."""

    url: str
    spans: list[CollectedSpan] = field(default_factory=list)

    def of_trace(self, trace_id: str) -> list[CollectedSpan]:
        """Return the spans of a trace, in the order in which they began."""
        return sorted(
            (span for span in self.spans if span.trace_id == trace_id),
            key=lambda span: span.start_ns,
        )


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    """Listen on loopback, on any free port unless one is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


def _spans(request: ExportTraceServiceRequest) -> Iterator[CollectedSpan]:
    for resource in request.resource_spans:
        described = {each.key: each.value.string_value for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield CollectedSpan(
                    service=described["service.name"],
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    start_ns=span.start_time_unix_nano,
                    end_ns=span.end_time_unix_nano,
                    attributes={
                        each.key: each.value.string_value or each.value.int_value
                        for each in span.attributes
                    },
                    refused=span.status.code == span.status.STATUS_CODE_ERROR,
                )
