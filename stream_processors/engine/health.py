"""A process's pages, which it answers itself: /health, /live and /metrics."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from stream_processors.engine.metrics import CONTENT_TYPE, Exposition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    ReadHealth = Callable[[], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a GET."""

    status: int
    content_type: str
    body: bytes


class Pages:
    """What a process says of itself.

    `/health`: what `read_health` returns, as JSON; 200 where its `ready` is true, 503 otherwise,
    also where it fails or is not live. `/live`: 503 where its `live` is there and false: then only
    a new start helps. `/metrics`: Prometheus' text; its `outbox_ready` is that of /health.
    """

    def __init__(
        self,
        process: str,
        read_health: ReadHealth,
        read_gauges: Callable[[], Iterable[Metric]] = tuple,
    ) -> None:
        self._read_health = read_health
        exposition = Exposition(process, lambda: bool(self._health()["ready"]), read_gauges)
        self._pages: dict[str, Callable[[], Page]] = {
            "/health": self._health_page,
            "/live": self._live_page,
            "/metrics": lambda: Page(200, CONTENT_TYPE, exposition.render()),
        }

    def answer(self, path: str) -> Page:
        """Return a page; 404 where there is none of that name."""
        read = self._pages.get(path)
        if read is None:
            return _json(404, {"error": f"the pages are {', '.join(self._pages)}"})
        return read()

    def _health_page(self) -> Page:
        health = self._health()
        return _json(200 if health["ready"] else 503, health)

    def _live_page(self) -> Page:
        live = bool(self._health().get("live", True))
        return _json(200 if live else 503, {"live": live})

    def _health(self) -> Mapping[str, object]:
        try:
            health = self._read_health()
        except Exception as error:  # noqa: BLE001 - it looks into what runs in other threads
            return {"ready": False, "error": repr(error)}
        # What only a new start helps does no work, whatever it said of itself before.
        return {**health, "ready": bool(health["ready"]) and bool(health.get("live", True))}


def serve_pages(address: tuple[str, int], pages: Pages) -> None:
    """Answer GET at a host's port, from a thread of its own; raises OSError where it is taken."""

    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            # Whoever asks gives up after a while; the answer is for nobody then.
            with contextlib.suppress(ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            page = pages.answer(self.path)
            self.send_response(page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, *_: object) -> None:
            """Log nothing: requests for these pages are not worth a line each."""

    server = ThreadingHTTPServer(address, Handler)
    threading.Thread(target=server.serve_forever, name="pages", daemon=True).start()


def _json(status: int, content: Mapping[str, object]) -> Page:
    return Page(status, "application/json", json.dumps(content).encode())
