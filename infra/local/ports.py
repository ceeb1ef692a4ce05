"""Telling that a port is taken before a process of ours fails on it."""

import contextlib
import socket
from collections.abc import Mapping

import psutil

from infra.local.errors import PortTakenError
from infra.local.layout import HOST


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: connections that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    """Who listens there, as far as the system tells us."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("inet"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f"process {process.pid} ({process.name()}, user {process.username()})"
    return "a process of another user"


def require_free(ports: Mapping[str, int]) -> None:
    """Raise PortTakenError that names each taken one of ``ports`` (name to port) and its holder."""
    taken = [
        f"port {port}, which {name} needs, is taken by {_holder(port)}"
        for name, port in ports.items()
        if not is_free(port)
    ]
    if taken:
        raise PortTakenError(
            f"{'; '.join(taken)}. Stop that process, or set OUTBOX_PORT_BASE to the first of "
            "60 free ports (the default is 25400)."
        )
