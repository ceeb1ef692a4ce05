"""A receiver of webhooks as it may be: it takes, refuses, is slow, hangs or sends elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]
_DRIP_SECONDS = 0.05
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Post:
    """What came: header names in lower case, when by the monotonic clock."""

    path: str
    headers: dict[str, str]
    body: bytes
    came_at: float


@dataclass(slots=True)
class Receiver:
    """What has come so far; each post gets the next of `answers`, the last of them stays."""

    url: str
    answers: list[Answer]
    posts: list[Post] = field(default_factory=list)

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def status(code: int, said: str = "", location: str | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        if location is not None:
            handler.send_header("Location", location)
        handler.send_header("Content-Length", str(len(said)))
        handler.end_headers()
        handler.wfile.write(said.encode())

    return answer


def after(seconds: float, then: Answer) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        then(handler)

    return answer


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Answer without end, a little at a time, until the other side has gone."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000):
        handler.wfile.write(f"X-{number}: more\r\n".encode())
        time.sleep(_DRIP_SECONDS)


TAKEN = status(200)


@contextmanager
def receiving(*answers: Answer) -> Iterator[Receiver]:
    """Give a receiver on loopback that takes everything, unless told otherwise."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.posts.append(Post(self.path, headers, body, time.monotonic()))
            try:
                receiver.next_answer()(self)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook", list(answers or (TAKEN,)))
    thread = threading.Thread(target=server.serve_forever, args=[_LOOK_SECONDS], daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
