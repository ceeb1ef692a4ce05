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
    assert settings.kafka == {"bootstrap.servers": "127.0.0.1:25401"}


def test_a_ledger_writer_is_told_all_by_the_environment() -> None:
    settings = read_settings(LedgerWriterSettings)

    assert settings.ledger_writer_database_url == COMPLETE["OUTBOX_LEDGER_WRITER_DATABASE_URL"]


def test_each_missing_or_wrong_setting_is_named_and_the_process_ends_as_wrongly_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OUTBOX_WORKER_NAME")
    monkeypatch.setenv("OUTBOX_HEALTH_PORT", "many")

    with pytest.raises(SystemExit) as ended:
        read_settings(WorkerSettings)

    assert ended.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "OUTBOX_WORKER_NAME: Field required: set it in the environment" in output.err
    assert "OUTBOX_HEALTH_PORT" in output.err
