import subprocess
import sys

import click
import httpx
import psycopg
import pytest
from click.testing import CliRunner
from confluent_kafka import KafkaError, KafkaException

from connectors.errors import ConnectorFailedError, ConnectUnreachableError
from infra.local.errors import PortTakenError, ProcessFailedError
from operations import main as entry
from operations.failures import explain
from operations.main import VERBS, main

SLOW_TO_IMPORT = ("psycopg", "confluent_kafka", "httpx", "faust", "sqlalchemy", "rich")


def test_help_lists_every_verb_without_importing_any() -> None:
    script = (
        "import sys\nfrom operations.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        f"print([name for name in {SLOW_TO_IMPORT} if name in sys.modules])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    *printed, imported = finished.stdout.splitlines()
    assert imported == "[]"
    assert all(any(line.startswith(f"  {verb} ") for line in printed) for verb in VERBS)


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_that_is_listed_exists_and_has_help(verb: str) -> None:
    result = CliRunner().invoke(main, [verb, "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("arguments", [["no-such-verb"], ["status", "--output", "xml"], []])
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PortTakenError("port 1 is taken"), 1),
        (ProcessFailedError("kafka died"), 3),
        (ConnectorFailedError("task failed"), 1),
        (ConnectUnreachableError("no answer"), 3),
        (psycopg.OperationalError("connection refused"), 3),
        (httpx.ConnectError("connection refused"), 3),
        (KafkaException(KafkaError(KafkaError._TRANSPORT)), 3),
        (ConnectionError("Kafka does not answer"), 3),
        (PermissionError(13, "Permission denied", "lock"), 1),
        (OSError(28, "No space left on device"), 1),
    ],
)
def test_what_a_verb_raises_is_explained_on_standard_error_with_its_code(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(entry, "import_module", lambda _: type("module", (), {"up": failing}))
    result = CliRunner().invoke(main, ["up"])
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr


def test_a_fault_of_our_own_is_not_explained_away() -> None:
    assert explain(ZeroDivisionError()) is None
