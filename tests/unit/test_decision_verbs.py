"""What a person can mistype is told before anything is connected to."""

import uuid

import pytest
from click.testing import CliRunner

from operations.main import main

ID = str(uuid.UUID(int=7))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["exceptions", "resolve", "--reason", "x"], "Say --void EVENT, or ID --bill-singly"),
        (
            ["exceptions", "resolve", ID, "--void", ID, "--bill-singly", "--reason", "x"],
            "one of the two",
        ),
        (
            ["exceptions", "resolve", ID, "--void", ID, "--reason", "x"],
            "--void names the event and no exception",
        ),
        (
            ["exceptions", "resolve", "--bill-singly", "--reason", "x"],
            "--bill-singly is for the ID of an exception",
        ),
        (["exceptions", "resolve", "--void", ID, "--reason", " "], "--reason must say why"),
        (["exceptions", "resolve", "--void", ID], "Missing option '--reason'"),
        (["ledger", "reverse", ID, "--reason", " "], "--reason must say why"),
        (["ledger", "reverse", ID, "--reason", "x", "--by", " "], "must say who decided"),
        (["ledger", "reverse", "s-1", "--reason", "x"], "is not a valid UUID"),
        (
            ["ledger", "correct", ID, "--reason", "x", "--currency", "USD"],
            "--currency goes with --amount-minor",
        ),
        (
            ["ledger", "correct", ID, "--reason", "x", "--amount-minor", "1", "--currency", "usd"],
            "three capital letters",
        ),
        (["ledger", "correct", ID, "--reason", "x", "--amount-minor", "0"], "x>=1"),
        (["ledger", "verify", "--head", "12"], "'12' is no head"),
        (["ledger", "list", "--since", "yesterday"], "'yesterday' is no time"),
    ],
)
def test_wrong_usage_says_what_is_wrong(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert said in result.output
