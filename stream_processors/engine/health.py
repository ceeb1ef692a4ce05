"""A process's health, as it is: an HTTP endpoint on loopback that the process answers itself."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def serve_health(port: int, read_health: Callable[[], Mapping[str, object]]) -> None:
    """Answer GET /health on 127.0.0.1 with `read_health()` as JSON, from a thread of its own.

    200 where its `ready` is true, 503 otherwise, also where it fails. Raises OSError where the
    port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            # Whoever asks gives up after a while; the answer is for nobody then.
            with contextlib.suppress(ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            if self.path != "/health":
                self.send_error(404, "the only page is /health")
                return
            health = _read(read_health)
            body = json.dumps(health).encode()
            self.send_response(200 if health["ready"] else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing: requests for the health page are not worth a line each."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()


def _read(read_health: Callable[[], Mapping[str, object]]) -> Mapping[str, object]:
    try:
        return read_health()
    except Exception as error:  # noqa: BLE001 - it looks into what runs in other threads
        return {"ready": False, "error": repr(error)}
