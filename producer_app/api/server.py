"""How the API is served: by uvicorn, on loopback."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from fastapi import FastAPI

HOST = "127.0.0.1"
STOP_SECONDS = 10
"""How long requests under way have to end when the server is stopped."""


def listen(port: int) -> socket.socket:
    """Return a socket that listens on a port of loopback, 0 for any; raise OSError if it can't.

    Who connects before the server runs waits for it.
    """
    # With its protocol named: only then asyncio sends what is small at once, not after 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the URL of what is served there."""
    return f"http://{HOST}:{listening.getsockname()[1]}"


def server_of(application: FastAPI) -> uvicorn.Server:
    """Return a server that is not started yet."""
    return uvicorn.Server(
        uvicorn.Config(
            application,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
