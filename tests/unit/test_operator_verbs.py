"""What a verb refuses before it touches any service, and how."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from operations.main import main

UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No service is known: a verb that gets that far ends with exit code 3."""
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(f"OUTBOX_{name}", raising=False)
    monkeypatch.setenv("OUTBOX_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("history", "Say whose"),
        ("history --contract c --session s", "Say whose"),
        ("exceptions retry", "Say which"),
        (f"exceptions retry {UNKNOWN} --all", "Say which"),
        (f"exceptions retry --reason timeout --event {UNKNOWN}", "Say which"),
        ("exceptions retry not-an-id", "not a valid UUID"),
        ("exceptions retry --reason bad_weather", "not one of"),
        ("exceptions list --status lost", "not one of"),
        ("exceptions dismiss --reason why", "Missing argument"),
        (f"exceptions dismiss {UNKNOWN}", "Missing option '--reason'"),
        ("reconcile --since yesterday", "is no time"),
        ("reconcile --since 2026-02-01 --until 2026-01-01", "--since must be before"),
        ("reconcile --output xml", "not one of"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(arguments: str, said: str) -> None:
    result = CliRunner().invoke(main, arguments.split())
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_dismissal_without_words_is_refused() -> None:
    result = CliRunner().invoke(main, ["exceptions", "dismiss", UNKNOWN, "--reason", "  "])
    assert result.exit_code == 2


def test_an_edited_value_that_is_no_json_is_refused(tmp_path: Path) -> None:
    edited = tmp_path / "value.json"
    edited.write_text("{")
    for choice in (["--all"], [UNKNOWN]):
        result = CliRunner().invoke(
            main, ["exceptions", "retry", *choice, "--edit-value", str(edited)]
        )
        assert result.exit_code == 2
        assert "--edit-value" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    ["history --session s", "exceptions list", f"exceptions show {UNKNOWN}", "reconcile"],
)
def test_without_any_service_they_end_with_3_and_say_how_to_start_one(arguments: str) -> None:
    result = CliRunner().invoke(main, arguments.split())
    assert result.exit_code == 3
    assert "outbox up" in result.stderr
