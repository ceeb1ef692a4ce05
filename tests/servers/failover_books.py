"""An application that writes while servers fail over, and the judgement of what came of it.

The application, the evidence and the invariants are the fault suite's: they share nothing with the
code they judge.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.faults import invariants
from tests.faults.application import Application
from tests.faults.backlog import CONTENT
from tests.faults.evidence import Evidence
from tests.faults.gathering import gather
from tests.faults.kafka_evidence import KafkaReader
from tests.servers.database_servers import DatabaseServers
from tests.waiting import wait_until

SEED = 17
EVENTS_PER_SECOND = 60.0
KAFKA_SECONDS = 60.0
SETTLED_SECONDS = 90.0
KEPT = ("ledger_seen", "faults", "strangers")
"""Tables that are filled while servers fail; all others are read in the end."""

JUDGED: dict[str, Callable[[Evidence], Iterator[str]]] = {
    name: invariants.INVARIANTS[name] for name in ("I1", "I2", "I3", "I4", "I5")
}
UNDELIVERED = "SELECT count(*) FROM undelivered_events"
FIGURES = ("missing", "duplicate", "mismatched", "undelivered")


@dataclass
class FailoverBooks:
    """What was committed, and what became of it, over all failovers of one stack."""

    servers: DatabaseServers
    evidence: Evidence = field(init=False)

    def __post_init__(self) -> None:
        self.directory.mkdir()
        self.evidence = Evidence(":memory:")

    @property
    def directory(self) -> Path:
        """Where the application's journals lie."""
        return self.servers.layout.home / "failover"

    @contextmanager
    def writing(self) -> Iterator[Application]:
        """Let the application write all the time; it goes on where it was stopped the last time."""
        application = Application(self.servers.stack, self.directory, SEED, EVENTS_PER_SECOND)
        application.start()
        try:
            yield application
        finally:
            application.stop()
        assert application.failures == []

    def record_stranger(self, setting: str) -> str:
        """Record an event that is not the application's and calls for no bill; return its id."""
        session = f"stranger-{uuid.uuid4()}"
        payload = {"sessionId": session, "evaluatedAt": "2026-03-01T12:00:00Z"}
        url = self.servers.stack.address("app_database_url")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(setting.encode())
            row = connection.execute(
                "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) "
                "VALUES ('session', %s, 'services.session.evaluated', %s) RETURNING id::text",
                [session, Jsonb(payload)],
            ).fetchone()
        assert row is not None
        self.evidence.insert("strangers", [row])
        return str(row[0])

    @contextmanager
    def reading_kafka(self) -> Iterator[Callable[[str], int]]:
        """Read the events topics meanwhile; gives how often the event of an id came."""
        seen = Evidence(":memory:")
        reader = KafkaReader(self.servers.stack.address("kafka_bootstrap_servers"), seen)
        reader.start()
        yield lambda event_id: int(
            seen.one("SELECT count(*) FROM deliveries WHERE id = ?", event_id)
        )
        reader.finish(KAFKA_SECONDS)

    def wait_for_more(self, events: int) -> None:
        """Wait until so many more events are committed, and some of those there are have bills."""
        before = self.count("domain_events")
        wait_until(
            f"{events} more events are committed",
            lambda: self.count("domain_events") - before,
            is_so=lambda more: more >= events,
        )
        bills = self.count("mentor_payable_ledgers")
        wait_until(
            "bills are posted",
            lambda: self.count("mentor_payable_ledgers"),
            is_so=lambda now: now > bills,
        )

    def count(self, table: str) -> int:
        """Return how many rows a table of the primary has."""
        ((rows,),) = self.servers.primary.query(f"SELECT count(*) FROM {table}")
        return int(rows)

    def note_ledger(self) -> None:
        """Note the ledger as anybody may see it now: none of that may ever change."""
        rows = self.servers.primary.query(
            f"SELECT id::text, {CONTENT} FROM mentor_payable_ledgers AS entry"
        )
        self.evidence.insert("ledger_seen", rows, or_do="IGNORE")

    def note_loss(self, begun_at: float, repair_at: float, ended_at: float, loud: str) -> None:
        """Note that the position was lost: what came again in between was sent by a person."""
        row = (1, "failover", "loss", True, begun_at, begun_at, repair_at, ended_at)
        self.evidence.insert("faults", [(*row, None, None, "", 0, loud, None, 0, None, None)])

    def settled(self) -> dict[str, Any]:
        """Wait until everything that is committed has passed; return what reconciliation finds."""
        wait_until(
            "every event has its receipt",
            lambda: self.servers.primary.query(UNDELIVERED),
            is_so=lambda rows: rows == [(0,)],
            seconds=SETTLED_SECONDS,
        )
        code, out, err = self.servers.outbox("reconcile", "--output", "json")
        assert out, f"exit code {code}: {err}"
        found: dict[str, Any] = json.loads(out)
        return found

    def violations(self) -> dict[str, list[str]]:
        """Judge everything that was ever written; return the sentences of what does not hold."""
        evidence = self.evidence.copy(KEPT)
        reader = KafkaReader(self.servers.stack.address("kafka_bootstrap_servers"), evidence)
        reader.start()
        reader.finish(KAFKA_SECONDS)
        gather(self.servers.primary.url, self.directory / "journals", evidence)
        judged = {name: list(check(evidence))[:10] for name, check in JUDGED.items()}
        return {name: sentences for name, sentences in judged.items() if sentences}

    def assert_nothing_lost_nothing_twice(self) -> None:
        """Hold the invariants, and reconciliation beside them."""
        found = self.settled()
        assert {name: found[name] for name in FIGURES} == dict.fromkeys(FIGURES, 0), found
        assert self.violations() == {}
