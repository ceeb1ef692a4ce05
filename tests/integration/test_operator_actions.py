"""What people decide is recorded once, beside what they did, and stays."""

import getpass
import uuid
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import errors

from operations.actions import record_action


def _recorded(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT actor, action, subject, reason, detail FROM operator_actions ORDER BY id"
    ).fetchall()


def test_an_act_is_recorded_with_who_what_why_and_what_exactly(scratch: psycopg.Connection) -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    entry = uuid.uuid4()
    identity = record_action(
        scratch,
        actor="Dana",
        action="ledger.reverse",
        subject="session-1",
        reason="never held",
        detail={"entry": entry, "at": moment},
    )
    assert isinstance(identity, uuid.UUID)
    assert _recorded(scratch) == [
        (
            "Dana",
            "ledger.reverse",
            "session-1",
            "never held",
            {"entry": str(entry), "at": "2026-03-01T12:00:00+00:00"},
        )
    ]


def test_who_acts_is_the_user_of_the_operating_system_unless_named(
    scratch: psycopg.Connection,
) -> None:
    record_action(scratch, action="replay", subject="everything")
    assert _recorded(scratch) == [(getpass.getuser(), "replay", "everything", None, {})]


def test_an_act_that_is_undone_leaves_no_record(scratch: psycopg.Connection) -> None:
    with scratch.transaction(force_rollback=True):
        record_action(scratch, action="replay", subject="everything")
    assert _recorded(scratch) == []


@pytest.mark.parametrize("replication_role", ["origin", "replica"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE operator_actions SET reason = 'another'",
        "DELETE FROM operator_actions",
        "TRUNCATE operator_actions",
    ],
)
def test_a_record_cannot_be_changed_even_by_a_superuser(
    scratch: psycopg.Connection, statement: str, replication_role: str
) -> None:
    record_action(scratch, action="replay", subject="everything")
    scratch.execute(f"SET session_replication_role = {replication_role}")
    with pytest.raises(errors.RestrictViolation, match="decide anew"), scratch.transaction():
        scratch.execute(statement)
    assert len(_recorded(scratch)) == 1


@pytest.mark.parametrize("column", ["actor", "action", "reason"])
def test_a_record_says_who_what_and_why_or_nothing(
    scratch: psycopg.Connection, column: str
) -> None:
    values = {"actor": "Dana", "action": "replay", "reason": "asked", column: " "}
    with pytest.raises(errors.CheckViolation, match=column), scratch.transaction():
        scratch.execute(
            "INSERT INTO operator_actions (actor, action, subject, reason) "
            "VALUES (%(actor)s, %(action)s, 's', %(reason)s)",
            values,
        )
