"""supervisord: its configuration, its start, and talking to it over XML-RPC on loopback."""

import contextlib
import http.client
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from xmlrpc.client import Fault, ProtocolError, ServerProxy, Transport

from supervisor.xmlrpc import Faults

from infra.local.errors import ProcessFailedError
from infra.local.files import tail, write_private
from infra.local.layout import HOST, Layout, project_directory
from infra.local.postgres import client_environment
from infra.local.programs import Program

HOME_MARK = "OUTBOX_SUPERVISED_HOME"
"""In the environment of every process of a stack: the OUTBOX_HOME that it belongs to."""

PROCESS_MARK = "OUTBOX_SUPERVISED_PROCESS"
"""Likewise: the process's name in `outbox status`."""

START_SECONDS = 15
CALL_SECONDS = 5.0
STOP_PATIENCE_SECONDS = 60.0
LOG_BYTES = 10_000_000
USER = "outbox"
IDENTIFIER = "outbox"

UNREACHABLE = (OSError, http.client.HTTPException, ProtocolError, Fault)
"""What a call raises where supervisord is gone, stopped, leaving, or a stranger's."""


def _escaped(text: str) -> str:
    """Double each percent sign: supervisord expands %(name)s in its values."""
    return text.replace("%", "%%")


def _environment(program: Program) -> str:
    marked = {**program.environment, PROCESS_MARK: program.name}
    return ",".join(f'{key}="{value}"' for key, value in marked.items())


def _program_section(layout: Layout, program: Program) -> str:
    command = _escaped(shlex.join(program.command))
    user = f"user={program.user}\n" if program.user else ""
    # What has no child processes to finish with gets the signal alone; KILL goes to the group.
    return f"""\
[program:{program.name}]
command={command}
environment={_escaped(_environment(program))}
directory={_escaped(program.directory or str(project_directory()))}
{user}autostart=false
autorestart=true
startsecs=1
startretries=1000000
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_seconds}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={_escaped(str(layout.log(program.name)))}
stdout_logfile_maxbytes={LOG_BYTES}
stdout_logfile_backups=2
"""


def supervisord_configuration(layout: Layout, password: str, programs: Iterable[Program]) -> str:
    """Return the text of supervisord.conf."""
    user = "user=root\n" if os.geteuid() == 0 else ""
    head = f"""\
[supervisord]
nodaemon=true
umask=077
{user}silent=true
logfile={_escaped(str(layout.log("supervisord")))}
logfile_maxbytes={LOG_BYTES}
logfile_backups=1
pidfile={_escaped(str(layout.supervisor / "supervisord.pid"))}
childlogdir={_escaped(str(layout.logs))}
identifier={IDENTIFIER}

[inet_http_server]
port={HOST}:{layout.supervisor_port}
username={USER}
password={_escaped(password)}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[rpcinterface:restarts]
supervisor.rpcinterface_factory=infra.local.restarts:make_plugin

"""
    return head + "\n".join(_program_section(layout, program) for program in programs)


class _Transport(Transport):
    """XML-RPC with a time limit, so that a stopped supervisord cannot hold us for ever."""

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = CALL_SECONDS
        return connection


@dataclass(frozen=True, slots=True)
class Supervised:
    """What supervisord knows of a process; ``pid`` is None while it does not run."""

    name: str
    state: str
    pid: int | None
    started_at: int


class Supervisor:
    """supervisord of one stack, as its client; may be used from several threads."""

    def __init__(self, layout: Layout, password: str) -> None:
        self._layout = layout
        self._password = password
        self._address = f"http://{USER}:{password}@{HOST}:{layout.supervisor_port}/RPC2"

    def _call(self, method: str, *arguments: object) -> Any:
        """Call supervisord over a connection of its own, since one cannot be shared by threads."""
        with ServerProxy(self._address, transport=_Transport()) as server:
            return getattr(server.supervisor, method)(*arguments)

    def is_answering(self) -> bool:
        """Whether supervisord of this stack answers (its password tells it from a stranger's)."""
        try:
            return bool(self._call("getIdentification") == IDENTIFIER)
        except UNREACHABLE:
            return False

    def configure(self, programs: Iterable[Program]) -> None:
        """Write the configuration; a running supervisord takes it up with `apply`."""
        write_private(
            self._layout.supervisor / "supervisord.conf",
            supervisord_configuration(self._layout, self._password, programs),
        )

    def launch(self) -> None:
        """Start supervisord in a session of its own; raises ProcessFailedError."""
        self._layout.logs.mkdir(parents=True, exist_ok=True)
        output = self._layout.log("supervisord-output")
        configuration = self._layout.supervisor / "supervisord.conf"
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)],
                cwd=project_directory(),
                env={**client_environment(), HOME_MARK: str(self._layout.home)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.is_answering():
            if process.poll() is not None or time.monotonic() > deadline:
                raise ProcessFailedError(f"supervisord did not start:\n{tail(output)}")
            time.sleep(0.05)

    def apply(self) -> None:
        """Take up a changed configuration: stop what is gone from it, know what is new."""
        added, changed, removed = self._call("reloadConfig")[0]
        self.stop([*removed, *changed], STOP_PATIENCE_SECONDS)
        for name in [*removed, *changed]:
            self._call("removeProcessGroup", name)
        for name in [*added, *changed]:
            self._call("addProcessGroup", name)

    def start(self, name: str) -> None:
        """Start one process, without waiting for it; nothing if it runs already."""
        try:
            self._call("startProcess", name, False)  # noqa: FBT003 - XML-RPC knows no names
        except Fault as fault:
            if fault.faultCode != Faults.ALREADY_STARTED:
                raise ProcessFailedError(
                    f"{name} could not be started ({fault.faultString}):\n"
                    f"{tail(self._layout.log(name))}"
                ) from fault

    def processes(self) -> list[Supervised]:
        """Every process of its configuration."""
        return [
            Supervised(row["name"], row["statename"].lower(), row["pid"] or None, row["start"])
            for row in self._call("getAllProcessInfo")
        ]

    def stop(self, names: Collection[str], patience_seconds: float) -> None:
        """Stop processes, all at once, and return when they are gone or patience is at its end."""
        for name in names:
            with contextlib.suppress(Fault):  # it does not run, or is unknown: what we want
                self._call("stopProcess", name, False)  # noqa: FBT003 - XML-RPC knows no names
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            if not any(process.pid for process in self.processes() if process.name in names):
                return
            time.sleep(0.05)

    def shutdown(self) -> None:
        """Ask it to stop what is left and to leave."""
        self._call("shutdown")
