"""Processors on trial: real ones, from an empty state, that write nothing anyone else reads."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra.local.files import tail
from infra.local.layout import layout_from_environment, project_directory
from infra.local.supervision import HOME_MARK, PROCESS_MARK
from operations.failures import ProblemError
from operations.rebuild.beginning import begin_changelogs, move_to_beginning
from operations.rebuild.cluster import Cluster
from operations.rebuild.following import Report, follow
from operations.reconcile.stages import Stage
from schemas.topics import EVENTS_SESSION, PACKAGE_SESSIONS, Topic
from stream_processors.kafka_settings import security_environment
from stream_processors.written_topics import written_topics

PREFIX = "outbox-rebuild-"
# A record that kills its process is set apart after its third death.
_STARTS_MAX = 8
_END_SECONDS = 20.0
_FORGOTTEN_SECONDS = 30.0
# It ends with this process, however that ends; where the system cannot do that, `outbox down` ends
# it, by the marks in its environment.
_WORKER = """
import ctypes, runpy, signal
set_option = getattr(ctypes.CDLL(None), "prctl", None)
if set_option is not None:
    set_option(1, signal.SIGKILL)
runpy.run_module("stream_processors.worker", run_name="__main__")
"""


@dataclass(slots=True)
class Trial:
    """Processors that read all events again, under an application id of their own."""

    cluster: Cluster
    application_id: str
    directory: Path
    until: datetime | None
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def topics(self) -> dict[str, Topic]:
        """The topics that they write, by their usual names."""
        return written_topics(self.application_id)

    @property
    def log(self) -> Path:
        """What they say."""
        return self.directory / "log"

    def read_everything(self, report: Report) -> None:
        """Return once they have passed what is in events.session now, and all that follows of it.

        Raises ProblemError where they cannot.
        """
        for name, topic in (
            ("Reading the events", EVENTS_SESSION.name),
            ("Reading what packages are told", self.topics[PACKAGE_SESSIONS.name].name),
        ):
            stage = Stage(name, self.application_id, (topic,))
            follow(self.cluster.positions, stage, report, meanwhile=self._keep_running)

    def end(self) -> None:
        """Let them finish the batch in hand, and end."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _keep_running(self) -> None:
        """Start them, again if they died."""
        if self.process is not None and self.process.poll() is None:
            return
        if self.starts >= _STARTS_MAX:
            raise ProblemError(
                f"The processors on trial died {self.starts} times. The end of their log:\n"
                f"{tail(self.log)}"
            )
        self.starts += 1
        inherited = {key: text for key, text in os.environ.items() if key[:7] != "OUTBOX_"}
        own = {
            "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": self.cluster.brokers.addresses,
            **security_environment(self.cluster.brokers.security),
            "OUTBOX_STATE_DIRECTORY": str(self.directory / "state"),
            "OUTBOX_HEALTH_PORT": "0",
            "OUTBOX_WORKER_NAME": "trial",
            "OUTBOX_APPLICATION_ID": self.application_id,
            HOME_MARK: str(layout_from_environment().home),
            PROCESS_MARK: self.application_id,
        }
        if self.until is not None:
            own["OUTBOX_EVENTS_UNTIL"] = self.until.isoformat()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _WORKER],
                cwd=project_directory(),
                env={**inherited, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for this command alone, which then ends them.
                start_new_session=True,
            )


@contextlib.contextmanager
def trial(cluster: Cluster, until: datetime | None) -> Iterator[Trial]:
    """Give processors on trial; in the end, also after Ctrl-C, nothing of them is left.

    The caller makes sure that there is no other one: what an earlier one left, because it was
    killed, is removed first.
    """
    parent = layout_from_environment().home / "rebuild"
    _remove_left(cluster, parent)
    application_id = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    given = Trial(cluster, application_id, parent / application_id, until)
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        given.directory.mkdir(mode=0o700)
        cluster.create_missing(list(given.topics.values()), cluster.scale())
        move_to_beginning(cluster, application_id)
        begin_changelogs(cluster, application_id)
        yield given
    finally:
        with _uninterrupted():
            given.end()
            _remove(cluster, application_id, given.directory)


def _remove_left(cluster: Cluster, parent: Path) -> None:
    """Remove what is left of trials that were killed: directories, topics, groups."""
    directories = {path.name: path for path in parent.glob(f"{PREFIX}*")}
    named = {name.split(".")[0] for name in cluster.topics_of(PREFIX)}
    for application_id in sorted({*directories, *named, *cluster.groups_of(PREFIX)}):
        _remove(cluster, application_id, parent / application_id)


def _remove(cluster: Cluster, application_id: str, directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(OSError):
        directory.parent.rmdir()
    cluster.delete_topics([topic.name for topic in written_topics(application_id).values()])
    cluster.delete_group(application_id, _FORGOTTEN_SECONDS)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let a second Ctrl-C not break off the cleaning up after the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    earlier = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
