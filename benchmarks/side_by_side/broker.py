"""A RabbitMQ broker of the run's own: on loopback, with its data beside the stack's.

It is Debian's rabbitmq-server, or the one on the PATH, as a plain process of whoever runs the
benchmark. Nothing of the machine's own broker is read, used or changed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.errors import ProcessFailedError
from infra.local.files import tail
from infra.local.layout import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from infra.local.layout import Layout

# Debian's wrapper in /usr/sbin wants to be root, and changes to the user of the service.
_PATH = os.pathsep.join(("/usr/lib/rabbitmq/bin", os.environ.get("PATH", os.defpath)))
_CLIENTS_PORT, _NODES_PORT, _NAMES_PORT = 60, 61, 62
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_CONFIGURATION = """\
listeners.tcp.1 = {host}:{port}
log.console = true
log.file = false
"""


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that takes connections; `pid` is that of its Erlang machine."""

    url: str
    pid: int


def broker_program() -> str | None:
    """Return where the broker's program is, if this machine has one."""
    return shutil.which("rabbitmq-server", path=_PATH)


@contextmanager
def broker(layout: Layout) -> Iterator[Broker]:
    """Run a fresh broker, and delete all of it afterwards."""
    port, names_port = layout.port_base + _CLIENTS_PORT, layout.port_base + _NAMES_PORT
    with tempfile.TemporaryDirectory(dir=layout.home, prefix="rabbitmq-") as name:
        directory = Path(name)
        (directory / "rabbitmq.conf").write_text(_CONFIGURATION.format(host=HOST, port=port))
        (directory / "plugins").write_text("[].\n")
        environment = _environment(directory, layout.port_base)
        # The broker would start one as well, which outlives it.
        names = ["epmd", "-address", HOST, "-port", str(names_port)]
        with (
            _listening(names, names_port, environment, directory / "names.log"),
            _listening(
                [broker_program() or "rabbitmq-server"],
                port,
                environment,
                directory / "broker.log",
            ) as process,
        ):
            yield Broker(f"amqp://{HOST}:{port}/", process.pid)


def _environment(directory: Path, port_base: int) -> dict[str, str]:
    """Return all that the broker knows of its surroundings; what is not said, the machine says."""
    return {
        "PATH": _PATH,
        # Of the cookie by which Erlang's nodes know each other.
        "HOME": str(directory),
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_EPMD_PORT": str(port_base + _NAMES_PORT),
        "RABBITMQ_NODENAME": f"outbox-{port_base}@localhost",
        "RABBITMQ_DIST_PORT": str(port_base + _NODES_PORT),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(directory / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "config"),
        "RABBITMQ_MNESIA_BASE": str(directory / "data"),
        "RABBITMQ_LOG_BASE": str(directory / "logs"),
        # So the script becomes the Erlang machine, instead of a shell that waits for it.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


@contextmanager
def _listening(
    command: Sequence[str], port: int, environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process from the moment it listens; raises ProcessFailedError with its log's tail."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ProcessFailedError(f"{command[0]} does not start:\n{tail(log)}")
            time.sleep(_LOOK_SECONDS)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(_LOOK_SECONDS)
        return client.connect_ex((HOST, port)) == 0
