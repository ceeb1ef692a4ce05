"""What an end-to-end test sees and does: an application's inserts, and the books they end in."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from confluent_kafka import Message, Producer
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.running_stack import RunningStack
from tests.waiting import wait_until

NOON = "2026-03-01T12:00:00Z"
LATER = "2026-03-02T12:00:00Z"
SINGLE_MINOR = 10_000
PACKAGE_MINOR = 200_000


@dataclass
class Books:
    """One test's own corner of the stack: its ids all begin with `name`."""

    stack: RunningStack
    owner: psycopg.Connection
    application: psycopg.Connection
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")

    @property
    def mentor(self) -> str:
        return self.id("mentor")

    @property
    def contract(self) -> str:
        return self.id("contract")

    def id(self, noun: str) -> str:
        return f"{self.name}-{noun}"

    def set_prices(self) -> None:
        for code, amount in (("single", SINGLE_MINOR), ("course", PACKAGE_MINOR)):
            self.owner.execute(
                "INSERT INTO mentor_prices VALUES (%s, %s, %s, 'USD', '2020-01-01')",
                [self.mentor, code, amount],
            )

    def completed(self, noun: str, **changes: Any) -> dict[str, Any]:
        """The payload of a completed session, by itself unless `changes` say otherwise."""
        payload = {
            "sessionId": self.id(noun),
            "contractId": self.contract,
            "mentorId": self.mentor,
            "studentId": self.id("student"),
            "sessionType": "single",
            "requiredEvaluation": False,
            "completedAt": NOON,
        }
        return {**payload, **changes}

    def course(
        self, noun: str, total: int, package: str = "package", **changes: Any
    ) -> dict[str, Any]:
        """The payload of a completed session of a package."""
        terms = {
            "servicePackageId": self.id(package),
            "packageCode": "course",
            "packageTotalSessions": total,
        }
        return self.completed(noun, **terms, **changes)

    def insert(self, payload: Mapping[str, Any], event_type: str = "completed") -> str:
        """Insert an event of a session as any application would; return its id."""
        row = self.application.execute(
            "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) "
            "VALUES ('session', %s, %s, %s) RETURNING id::text",
            [payload["sessionId"], f"services.session.{event_type}", Jsonb(dict(payload))],
        ).fetchone()
        assert row is not None
        return str(row[0])

    def evaluate(self, noun: str, at: str = LATER) -> str:
        return self.insert({"sessionId": self.id(noun), "evaluatedAt": at}, "evaluated")

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        with self.owner.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, parameters).fetchall()

    def bills(self) -> list[dict[str, Any]]:
        """All entries of this test's mentor."""
        return self.rows(
            "SELECT *, ARRAY(SELECT session_id FROM ledger_entry_sessions WHERE entry_id = id "
            "ORDER BY session_id) AS session_ids FROM mentor_payable_ledgers "
            "WHERE mentor_id = %s ORDER BY posted_at",
            self.mentor,
        )

    def wait_for_bills(self, count: int, seconds: float = 60) -> list[dict[str, Any]]:
        return wait_until(
            f"{count} bills", self.bills, is_so=lambda bills: len(bills) >= count, seconds=seconds
        )

    def exceptions(self, subject: str) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT * FROM billing_exceptions WHERE subject = %s ORDER BY reason", subject
        )

    def wait_for_exception(self, subject: str, reason: str, status: str) -> dict[str, Any]:
        found = wait_until(
            f"{subject} is {reason} and {status}",
            lambda: self.exceptions(subject),
            is_so=lambda rows: (reason, status) in {(row["reason"], row["status"]) for row in rows},
        )
        return next(row for row in found if (row["reason"], row["status"]) == (reason, status))

    def status_of(self, event_id: str) -> dict[str, Any]:
        return self.rows("SELECT * FROM domain_event_status WHERE id = %s", event_id)[0]

    def produce(
        self,
        value: bytes | None,
        key: str,
        headers: Mapping[str, str] | None = None,
        topic: str = "events.session",
    ) -> str:
        """Write a record straight into Kafka, as nobody should; return its position."""
        producer = Producer(
            {
                "bootstrap.servers": self.stack.address("kafka_bootstrap_servers"),
                "partitioner": "murmur2_random",
            }
        )
        delivered: list[Message] = []
        producer.produce(
            topic,
            value,
            key,
            headers=list((headers or {}).items()),
            on_delivery=lambda _, message: delivered.append(message),
        )
        assert producer.flush(30) == 0
        (message,) = delivered
        assert message.error() is None
        return f"{message.topic()}[{message.partition()}]@{message.offset()}"

    def pretend(self, value: bytes | None, key: str) -> str:
        """Write a record that carries all the headers of a completed event."""
        headers = {
            "id": str(uuid.uuid4()),
            "eventType": "services.session.completed",
            "createdAt": "2026-03-01T12:00:00.000000Z",
        }
        return self.produce(value, key, headers)

    def outbox_json(self, *arguments: str) -> tuple[int, Any]:
        """Run a verb of the command line; return its exit code and what it printed as JSON."""
        code, out, err = self.stack.outbox(*arguments, "--output", "json")
        assert out, f"outbox {' '.join(arguments)} printed nothing; exit {code}: {err}"
        return code, json.loads(out)


@contextmanager
def opened_books(stack: RunningStack) -> Iterator[Books]:
    """A test's own mentor, priced, on the real stack."""
    with (
        psycopg.connect(stack.address("database_url"), autocommit=True) as owner,
        psycopg.connect(stack.address("app_database_url"), autocommit=True) as application,
    ):
        books = Books(stack, owner, application)
        books.set_prices()
        yield books
