"""The proxy does to a connection what it says, and no more."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import HOST, Proxy


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy to a server that answers with what it is told."""
    server = socket.create_server((HOST, 0))

    def echo(connection: socket.socket) -> None:
        with connection:
            try:
                while block := connection.recv(1024):
                    connection.sendall(block)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=[connection], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with Proxy(0, server.getsockname()[1]) as proxy:
        yield proxy
    server.close()


def client(proxy: Proxy, timeout: float = 10) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout)


def echoed(connection: socket.socket, text: bytes) -> bytes:
    connection.sendall(text)
    received = b""
    while len(received) < len(text):
        received += connection.recv(1024)
    return received


def test_a_good_link_hands_everything_on_both_ways(proxy: Proxy) -> None:
    with client(proxy) as connection:
        text = bytes(range(256)) * 1000
        threading.Thread(target=connection.sendall, args=[text], daemon=True).start()
        received = b""
        while len(received) < len(text):
            received += connection.recv(65536)
        assert received == text
        assert proxy.connections == 1


def test_a_cut_link_breaks_what_is_connected_and_refuses_what_comes_until_it_heals(
    proxy: Proxy,
) -> None:
    with client(proxy) as connection:
        assert echoed(connection, b"before") == b"before"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with pytest.raises(ConnectionRefusedError):
        client(proxy)
    proxy.heal()
    with client(proxy) as connection:
        assert echoed(connection, b"after") == b"after"


def test_a_dropped_link_breaks_what_is_connected_and_takes_the_next(proxy: Proxy) -> None:
    with client(proxy) as connection:
        assert echoed(connection, b"before") == b"before"
        proxy.drop()
        with client(proxy) as another:
            assert echoed(another, b"after") == b"after"


def test_a_delayed_link_holds_back_but_loses_nothing(proxy: Proxy) -> None:
    with client(proxy) as connection:
        proxy.delay(0.2)
        started = time.monotonic()
        assert echoed(connection, b"late") == b"late"
        assert time.monotonic() - started >= 0.4
        proxy.heal()
        assert echoed(connection, b"soon") == b"soon"


def test_a_half_open_link_takes_everything_says_nothing_and_breaks_when_it_heals(
    proxy: Proxy,
) -> None:
    with client(proxy, timeout=0.5) as connection:
        assert echoed(connection, b"before") == b"before"
        proxy.half_open()
        connection.sendall(b"swallowed")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        with client(proxy, timeout=0.5) as another, pytest.raises(TimeoutError):
            echoed(another, b"swallowed")
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with client(proxy) as connection:
        assert echoed(connection, b"after") == b"after"


def test_what_comes_while_it_heals_does_not_pass_after_what_was_swallowed(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    reset_all = proxy._reset_all

    def reset_all_late() -> None:
        time.sleep(0.3)
        reset_all()

    with client(proxy) as connection:
        assert echoed(connection, b"before") == b"before"
        proxy.half_open()
        connection.sendall(b"swallowed")
        monkeypatch.setattr(proxy, "_reset_all", reset_all_late)
        healing = threading.Thread(target=proxy.heal)
        healing.start()
        connection.settimeout(0.02)
        received = b""
        with contextlib.suppress(ConnectionError):
            while healing.is_alive():
                connection.sendall(b"after")
                with contextlib.suppress(TimeoutError):
                    received += connection.recv(1024)
        healing.join()
    assert received == b""


def test_a_link_that_forgot_its_connections_swallows_them_for_good_and_takes_the_next(
    proxy: Proxy,
) -> None:
    with client(proxy, timeout=0.5) as connection:
        assert echoed(connection, b"before") == b"before"
        proxy.forget()
        with client(proxy) as another:
            assert echoed(another, b"after") == b"after"
            proxy.heal()
            connection.sendall(b"swallowed")
            with pytest.raises(TimeoutError):
                connection.recv(1)
            assert proxy.connections == 1


def test_a_closed_connection_is_let_go(proxy: Proxy) -> None:
    with client(proxy) as connection:
        assert echoed(connection, b"hello") == b"hello"
    deadline = time.monotonic() + 10
    while proxy.connections:
        assert time.monotonic() < deadline
        time.sleep(0.01)
