import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream_processors.settings import LedgerWriterSettings, WorkerSettings, read_settings

COMPLETE = {
    "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:25401",
    "OUTBOX_STATE_DIRECTORY": "/somewhere/state",
    "OUTBOX_HEALTH_PORT": "25410",
    "OUTBOX_WORKER_NAME": "worker-1",
    "OUTBOX_LEDGER_WRITER_DATABASE_URL": "postgresql://writer@127.0.0.1:25400/outbox",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)


def test_a_worker_is_told_all_by_the_environment() -> None:
    settings = read_settings(WorkerSettings)

    assert settings.worker_name == "worker-1"
    assert settings.state_directory == Path("/somewhere/state")
    assert settings.health_port == 25_410
    assert settings.brokers.client == {"bootstrap.servers": "127.0.0.1:25401"}


def test_a_ledger_writer_is_told_all_by_the_environment() -> None:
    settings = read_settings(LedgerWriterSettings)

    assert settings.ledger_writer_database_url == COMPLETE["OUTBOX_LEDGER_WRITER_DATABASE_URL"]


def test_each_missing_or_wrong_setting_is_named_and_the_process_ends_as_wrongly_used() -> None:
    lines = _refused({"OUTBOX_HEALTH_PORT": "many"}, without="OUTBOX_WORKER_NAME")

    assert {line["setting"]: line["level"] for line in lines} == {
        "OUTBOX_HEALTH_PORT": "critical",
        "OUTBOX_WORKER_NAME": "critical",
    }
    assert "Field required: set it in the environment" in {line["error"] for line in lines}


def test_a_log_level_that_is_none_is_refused_by_name_with_those_that_are() -> None:
    [line] = _refused({"OUTBOX_LOG_LEVEL": "verbose"})

    assert line["setting"] == "OUTBOX_LOG_LEVEL"
    assert "'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'" in line["error"]


def test_a_log_level_may_be_written_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_LOG_LEVEL", "warning")

    assert read_settings(WorkerSettings).log_level == "WARNING"


def _refused(changes: dict[str, str], without: str = "") -> list[dict[str, str]]:
    """Start a worker with wrong settings; return what it logs, all of it in JSON."""
    environment = {**os.environ, **COMPLETE, **changes}
    environment.pop(without, None)
    ended = subprocess.run(
        [sys.executable, "-m", "stream_processors.worker"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_a_worker_says_whether_it_works_to_its_own_machine_alone_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read_settings(WorkerSettings).health_address == ("127.0.0.1", 25_410)
    monkeypatch.setenv("OUTBOX_HEALTH_HOST", "0.0.0.0")  # noqa: S104 - as in a container
    assert read_settings(WorkerSettings).health_address == ("0.0.0.0", 25_410)  # noqa: S104
