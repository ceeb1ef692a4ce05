"""A window of time: reconciliation reads what it touched, and finds what the whole finds there."""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from operations.actions import record_action
from operations.reconcile.comparison import Scope, compare
from operations.reconcile.touched import touched
from tests.integration.database_rows import completed_payload
from tests.integration.reconciled import PASSED, insert_price

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
MINUTES = 600
NEVER = -1
"""At most so many sessions are read selectively: none, so everything is read."""


class World:
    """Sessions, packages and contracts that get everything wrong that can be, over ten hours."""

    def __init__(self, connection: psycopg.Connection, seed: int) -> None:
        self.connection = connection
        self.chance = random.Random(seed)
        self.events: list[tuple[uuid.UUID, datetime, str]] = []
        self.contracts: dict[str, int] = {}

    def some_time(self) -> datetime:
        return BEGAN + timedelta(minutes=self.chance.uniform(0, MINUTES))

    def insert(self, aggregate_type: str, event_type: str, payload: dict[str, Any]) -> uuid.UUID:
        event_id, at = uuid.UUID(int=self.chance.getrandbits(128)), self.some_time()
        aggregate_id = payload["sessionId" if aggregate_type == "session" else "contractId"]
        self.connection.execute(
            "INSERT INTO domain_events VALUES (%s, %s, %s, %s, %s, NULL, %s)",
            [event_id, aggregate_type, aggregate_id, event_type, Jsonb(payload), at],
        )
        if self.chance.random() < 0.9:
            self.connection.execute(
                "INSERT INTO domain_event_deliveries VALUES (%s, %s, %s, 0, %s)",
                [event_id, at, f"events.{aggregate_type}", self.chance.randrange(2_000_000)],
            )
        self.events.append((event_id, at, aggregate_id))
        return event_id

    def session(self, number: int) -> None:
        contract = self.contracts[f"s{number}"] = self.chance.randrange(6)
        for _ in range(self.chance.choice((0, 1, 1, 1, 1, 2))):
            event_id = self.insert(
                "session",
                "services.session.completed",
                {
                    **completed_payload(f"s{number}", contractId=f"c{contract}"),
                    **self.package(contract),
                    "requiredEvaluation": self.chance.random() < 0.3,
                },
            )
            if self.chance.random() < 0.1:
                voided = {"sessionId": f"s{number}", "eventId": str(event_id), "reason": "wrong"}
                self.insert("session", "services.session.voided", voided)
        if self.chance.random() < 0.4:
            evaluated = {"sessionId": f"s{number}", "evaluatedAt": "2026-03-01T12:00:00Z"}
            self.insert("session", "services.session.evaluated", evaluated)
        if self.chance.random() < 0.7:
            consumed = {"contractId": f"c{contract}", "sessionId": f"s{number}"}
            more = {"sessionType": "standard", "quantity": 1, "remaining": 0}
            self.insert("contract", "service.consumed", {**consumed, **more})

    def package(self, contract: int) -> dict[str, Any]:
        if self.chance.random() < 0.3:
            return {}
        named = self.chance.randrange(3)
        return {
            "servicePackageId": f"p{contract}-{named}",
            "packageCode": "course",
            "packageTotalSessions": self.chance.choice((2, 2, 2, 3)),
        }

    def entries(self) -> None:
        for number in range(40):
            entry = self.identity()
            package = self.chance.random() < 0.4
            session = None if package else f"s{self.chance.randrange(60)}"
            contract = self.contracts.get(session or "", self.chance.randrange(6))
            subject = f"p{contract}-{self.chance.randrange(3)}" if package else None
            amount = self.chance.choice((10_000, 10_000, 10_000, 9_999))
            self.connection.execute(
                "INSERT INTO mentor_payable_ledgers VALUES (%s, %s, 'mentor-1', %s, 'student-1', "
                "%s, %s, %s, 'USD', '2026-01-01Z', '2026-03-01T12:00:00Z', %s, NULL, %s)",
                [entry, "package" if package else "session", f"c{contract}", session, subject,
                 amount, uuid.uuid4(), self.some_time()],
            )  # fmt: skip
            by_mistake = [f"s{self.chance.randrange(60)}"] * (self.chance.random() < 0.3)
            for paid in {session or "s0", *by_mistake}:
                self.connection.execute(
                    "INSERT INTO ledger_entry_sessions VALUES (%s, %s, %s)", [entry, paid, number]
                )
            if self.chance.random() < 0.3:
                self.replace(entry)

    def identity(self) -> uuid.UUID:
        return uuid.UUID(int=self.chance.getrandbits(128))

    def replace(self, entry: uuid.UUID) -> None:
        """Take an entry back, or correct it, perhaps by nobody's decision."""
        reversal, correction = self.identity(), self.identity()
        for made, kind, share in ((reversal, "reversal", 1.0), (correction, "correction", 0.7)):
            if self.chance.random() < share:
                self.connection.execute(
                    "INSERT INTO mentor_payable_ledgers SELECT (jsonb_populate_record(replaced, "
                    "%s)).* FROM mentor_payable_ledgers AS replaced WHERE id = %s",
                    [Jsonb(self.changes(made, kind, entry)), entry],
                )
        if self.chance.random() < 0.5:
            done = {"entry_id": entry, "reversal_id": reversal, "correction_id": correction}
            record_action(self.connection, action="ledger.correct", subject="any", detail=done)

    def changes(self, made: uuid.UUID, kind: str, entry: uuid.UUID) -> dict[str, Any]:
        changes = {"id": str(made), "kind": kind, "posted_at": self.some_time().isoformat()}
        if kind == "reversal":
            return {**changes, "amount_minor": -10_000, "reverses": str(entry)}
        return changes


@pytest.fixture(params=range(3))
def world(admin: psycopg.Connection, request: pytest.FixtureRequest) -> World:
    world = World(admin, request.param)
    with admin.transaction():
        for table in ("domain_events", "mentor_payable_ledgers", "ledger_entry_sessions"):
            admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for code in ("standard", "course"):
            insert_price(admin, price_code=code)
        for number in range(60):
            world.session(number)
        world.entries()
    return world


def outcomes(connection: psycopg.Connection, scope: Scope) -> list[Any]:
    """Everything that was found, the details in an order of their own."""
    return [
        (
            found.section,
            found.outcome,
            found.reason,
            found.day,
            found.amount,
            sorted(json.dumps(detail, sort_keys=True) for detail in found.details),
        )
        for found in compare(connection, scope)
    ]


def test_a_window_gives_for_what_it_touched_exactly_what_the_whole_gives(world: World) -> None:
    undelivered = world.connection.execute("SELECT id FROM undelivered_events").fetchall()
    compared = set()
    for _ in range(25):
        since, until = sorted((world.some_time(), world.some_time()))
        scope: dict[str, Any] = {
            "judged": {0: world.chance.choice((1_000_000, 2_000_000))},
            "undelivered": [event_id for (event_id,) in undelivered],
            "since": since,
            "until": world.chance.choice((until, None)),
            "details_max": 1_000,
        }
        whole = outcomes(world.connection, Scope(**scope, sessions_max=NEVER))
        assert outcomes(world.connection, Scope(**scope)) == whole
        compared |= {outcome[:2] for outcome in whole}
    # What was compared was worth it.
    assert {outcome for _, outcome in compared} >= {
        "billed", "missing", "mismatched", "duplicate", "in_flight", "awaiting_delivery",
        "undelivered", "waiting", "consumed_without_completed", "completed_without_consumed",
        "package_stuck", "decided",
    }  # fmt: skip


def test_a_window_reads_no_session_that_has_nothing_to_do_with_it(world: World) -> None:
    (_, first, _), *_ = sorted(world.events, key=lambda event: event[1])
    read = touched(
        world.connection, first.isoformat(), (first + timedelta(minutes=2)).isoformat(), 1_000
    )
    assert read is not None
    assert 0 < len(read.sessions) < 40
    nothing = touched(world.connection, "2027-01-01Z", "infinity", 1_000)
    assert nothing is not None
    assert (nothing.sessions, nothing.contracts, nothing.entries) == ([], [], [])


def test_adjoining_windows_share_no_bill_and_leave_none_out(world: World) -> None:
    def bills(since: datetime | None, until: datetime | None) -> int:
        found = compare(world.connection, Scope(judged=PASSED, since=since, until=until))
        return sum(outcome.amount for outcome in found if outcome.section in ("bill", "waiting"))

    cuts = [BEGAN + timedelta(minutes=minutes) for minutes in (0, 100, 250, 400)]
    parts = [bills(*window) for window in zip(cuts, [*cuts[1:], None], strict=True)]
    assert sum(parts) == bills(None, None)
