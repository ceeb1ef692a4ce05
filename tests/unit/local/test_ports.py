import os
import socket

import pytest

from infra.local.errors import PortTakenError
from infra.local.ports import is_free, require_free


def test_a_taken_port_is_named_with_its_holder_and_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTakenError) as caught:
            require_free({"kafka": port})
    message = str(caught.value)
    assert f"port {port}, which kafka needs" in message
    assert f"process {os.getpid()} (" in message
    assert "OUTBOX_PORT_BASE" in message


def test_a_port_taken_on_every_address_is_taken_here_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - what is tested
        assert not is_free(server.getsockname()[1])


def test_a_port_is_free_again_right_after_its_server_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # the server's end closes first: it is left in TIME_WAIT
            client.recv(1)
    assert is_free(port)
    require_free({"kafka": port})


def test_every_taken_port_is_named() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = {"kafka": one.getsockname()[1], "connect": two.getsockname()[1]}
        with pytest.raises(PortTakenError) as caught:
            require_free(ports)
    assert all(f"port {port}, which {name}" in str(caught.value) for name, port in ports.items())
