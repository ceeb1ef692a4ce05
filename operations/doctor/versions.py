"""Which versions run that no service tells of itself: the broker's, and our client libraries'."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import confluent_kafka
import psutil
import psycopg

from infra.local.jars_lock import locked_version
from infra.local.layout import project_directory
from operations.doctor.finding import Finding, fine, warning

LOCK = "requirements.lock"
CLIENTS = ("psycopg", "confluent-kafka", "faust-streaming", "fastavro", "rocksdict")
_LOCKED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)", re.MULTILINE)
_BROKER_JAR = re.compile(r"/kafka_2\.13-([^/]+)\.jar$")


def clients(project: Path | None = None) -> Iterator[Finding]:
    """Whether the libraries that talk to the services are those this release was tried with."""
    installed = {name: _installed(name) for name in CLIENTS}
    locked = _locked((project or project_directory()) / LOCK)
    others = [
        f"{name} is {installed[name]}, not {locked[name]}"
        for name in CLIENTS
        if name in locked and installed[name] != locked[name]
    ]
    if others:
        yield warning("client libraries", "; ".join(others), "`make install`")
        return
    inside = f"libpq {psycopg.pq.version_pretty(psycopg.pq.version())}"
    librdkafka, _ = confluent_kafka.libversion()
    listed = ", ".join(f"{name} {number}" for name, number in installed.items())
    yield fine("client libraries", f"{listed} (with {inside}, librdkafka {librdkafka})")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _locked(path: Path) -> Mapping[str, str]:
    """Return the versions of requirements.lock; nothing where it was not installed with us."""
    if not path.is_file():
        return {}
    return {found["name"]: found["version"] for found in _LOCKED.finditer(path.read_text())}


def broker(pid: int | None) -> Iterator[Finding]:
    """Whether the local broker is that of this release; it runs from a jar with its version."""
    runs = None if pid is None else _version_of_jar(pid)
    wanted = locked_version("kafka_2.13")
    if runs is None:
        return
    if runs == wanted:
        yield fine("broker", f"Kafka {runs}")
    else:
        text = f"Kafka {runs} runs, and this release is made for {wanted}"
        yield warning("broker", text, "`outbox down`, then `outbox up`")


def _version_of_jar(pid: int) -> str | None:
    with contextlib.suppress(psutil.Error, OSError):
        for file in psutil.Process(pid).open_files():
            if found := _BROKER_JAR.search(file.path):
                return found[1]
    return None
