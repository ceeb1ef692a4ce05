"""A TCP proxy on loopback whose link can be cut, delayed, or left half open."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"
_BLOCK_BYTES = 65_536
_CONNECT_SECONDS = 5.0
# On close, send RST instead of FIN: the link broke, nobody said goodbye.
_RESET = struct.pack("ii", 1, 0)


class _Link:
    """One client's connection and the one to the server behind it, if there is one."""

    def __init__(self, client: socket.socket, server: socket.socket | None) -> None:
        self._sockets = [each for each in (client, server) if each is not None]
        self.forgotten = False

    def reset(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            with contextlib.suppress(OSError):
                # Wakes the thread that reads it, which closing does not, and sends nothing.
                each.shutdown(socket.SHUT_RD)
            each.close()


class Proxy:
    """Hands on what comes on `port` to `server_port`; to be closed, or used as a context."""

    def __init__(self, port: int, server_port: int) -> None:
        self.port = port
        self._server_port = server_port
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._swallows = False
        self._delay_seconds = 0.0
        self._listener: socket.socket | None = None
        self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def connections(self) -> int:
        """How many connections pass through now."""
        with self._lock:
            return len(self._links)

    def cut(self) -> None:
        """Break every connection; new ones are refused until `heal`."""
        self._stop_listening()
        self._reset_all()

    def drop(self) -> None:
        """Break every connection once; new ones are taken."""
        self._reset_all()

    def delay(self, seconds: float) -> None:
        """Hold back everything, in both directions, by so much until `heal`."""
        self._delay_seconds = seconds

    def half_open(self) -> None:
        """Swallow everything, in both directions, also of new connections, until `heal`."""
        self._swallows = True

    def forget(self) -> None:
        """Swallow everything of the connections there are, for good; new ones are whole.

        So does a firewall that was restarted: neither host ever hears that it is cut off.
        """
        with self._lock:
            for link in self._links:
                link.forgotten = True
            self._links.clear()

    def heal(self) -> None:
        """Be a good link again; connections that lost bytes are broken, as their hosts would."""
        self._delay_seconds = 0.0
        if self._swallows:
            # Before, so that no block passes after others of its connection were swallowed; and
            # after, for the connections that were taken in between and have no server.
            self._reset_all()
            self._swallows = False
            self._reset_all()
        if self._listener is None:
            self._listen()

    def close(self) -> None:
        """Break every connection and take no more."""
        self._stop_listening()
        self._reset_all()

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _reset_all(self) -> None:
        with self._lock:
            links = list(self._links)
            self._links.clear()
        for link in links:
            link.reset()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = None
        if not self._swallows:
            try:
                server = socket.create_connection((HOST, self._server_port), _CONNECT_SECONDS)
            except OSError:
                _Link(client, None).reset()
                return
            server.settimeout(None)
        link = _Link(client, server)
        with self._lock:
            self._links.add(link)
        if self._listener is None or (server is None and not self._swallows):
            # Cut, or healed, while it was being connected.
            self._end(link)
            return
        if server is not None:
            arguments = [link, server, client]
            threading.Thread(target=self._hand_on, args=arguments, daemon=True).start()
        self._hand_on(link, client, server)

    def _hand_on(self, link: _Link, source: socket.socket, target: socket.socket | None) -> None:
        try:
            while block := source.recv(_BLOCK_BYTES):
                if self._delay_seconds:
                    time.sleep(self._delay_seconds)
                if target is not None and not self._swallows and not link.forgotten:
                    target.sendall(block)
        except OSError:
            # Either end broke, or `cut` did it: the other end is to notice.
            pass
        if link.forgotten:
            # The other host does not hear of it.
            source.close()
        elif not self._swallows:
            self._end(link)

    def _end(self, link: _Link) -> None:
        with self._lock:
            self._links.discard(link)
        link.reset()
