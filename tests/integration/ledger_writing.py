"""The ledger writer's parts on a real database, and the records that they are given."""

import itertools
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from schemas import codec
from schemas.records import BillingRecord, ExceptionReport, Payable
from stream_processors.billing.payables import ledger_id
from stream_processors.engine.deaths import DeathJournal
from stream_processors.engine.messages import InboundRecord
from stream_processors.ledger.database import Database
from stream_processors.ledger.receipts import receive
from stream_processors.ledger.retries import count_retries, retry_due
from stream_processors.ledger.writer import PayablesWriter, ReportsWriter

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

_offsets = itertools.count()


def event(number: int) -> str:
    return str(uuid.UUID(int=number))


def session_payable(session_id: str = "session-1", **changes: Any) -> Payable:
    payable = Payable(
        ledger_id=ledger_id("session", session_id),
        kind="session",
        mentor_id="mentor-1",
        contract_id="contract-1",
        student_id="student-1",
        session_id=session_id,
        service_package_id=None,
        price_code="single",
        occurred_at=NOON,
        source_event_id=event(1),
        session_ids=(session_id,),
    )
    return replace(payable, **changes)


def package_payable(package_id: str, *session_ids: str, **changes: Any) -> Payable:
    package: dict[str, Any] = {
        "ledger_id": ledger_id("package", package_id),
        "kind": "package",
        "session_id": None,
        "service_package_id": package_id,
        "price_code": "course",
        "session_ids": session_ids,
        **changes,
    }
    return session_payable(**package)


def conflict(number: int = 2, **changes: Any) -> ExceptionReport:
    """A report that event `number` contradicts another of session-1, resting on two facts."""
    report = ExceptionReport(
        reason="session_conflict",
        subject="session-1",
        source_event_id=event(number),
        standing=True,
        basis=2,
        error="it differs",
        record=b'{"mentor_id": "mentor-2"}',
    )
    return replace(report, **changes)


def inbound(content: BillingRecord | bytes | None, **changes: Any) -> InboundRecord:
    value = content if content is None or isinstance(content, bytes) else codec.encode(content)
    record = InboundRecord("billing.payables", 0, next(_offsets), b"key", value)
    return replace(record, **changes)


class Writer:
    """One ledger writer's way of each kind of record, over a connection of its own."""

    def __init__(self, url: str, directory: Path) -> None:
        self.stopping = threading.Event()
        self.database = Database(url, "test", self.stopping)
        self.directory = directory
        self.rows = psycopg.connect(url, autocommit=True, row_factory=dict_row)

    def post(self, *contents: BillingRecord | bytes | InboundRecord | None) -> None:
        writer = PayablesWriter(self.database, DeathJournal(self.directory / "payables"))
        writer.carry_out([_record(each) for each in contents])

    def report(self, *contents: BillingRecord | bytes | InboundRecord | None) -> None:
        writer = ReportsWriter(self.database, DeathJournal(self.directory / "dead-letters"))
        writer.carry_out([_record(each) for each in contents])

    def receive(self, *records: InboundRecord) -> None:
        receive(self.database, records)

    def retry(self) -> int:
        retries = self.database.run(retry_due)
        count_retries(retries)
        return len(retries)

    def make_due(self, reason: str = "price_missing") -> None:
        """Let the time of the next attempt come."""
        self.rows.execute(
            "UPDATE billing_exceptions SET next_attempt_at = clock_timestamp() "
            "WHERE status = 'retrying' AND reason = %s",
            [reason],
        )

    def retry_by_hand(self) -> None:
        """What `outbox exceptions retry` does to every exception."""
        self.rows.execute(
            "UPDATE billing_exceptions SET status = 'retrying', next_attempt_at = clock_timestamp()"
        )

    def entries(self) -> list[DictRow]:
        return self.rows.execute(
            "SELECT * FROM mentor_payable_ledgers ORDER BY posted_at"
        ).fetchall()

    def exceptions(self) -> list[DictRow]:
        return self.rows.execute(
            "SELECT * FROM billing_exceptions ORDER BY first_failed_at, id"
        ).fetchall()

    def exception(self) -> DictRow:
        [row] = self.exceptions()
        return row

    def paid_sessions(self) -> list[str]:
        rows = self.rows.execute("SELECT session_id FROM ledger_entry_sessions ORDER BY 1")
        return [row["session_id"] for row in rows]


@contextmanager
def ledger_writer_on(url: str, directory: Path) -> Iterator[Writer]:
    """A writer whose connections are closed at the end."""
    writer = Writer(url, directory)
    try:
        yield writer
    finally:
        writer.database.close()
        writer.rows.close()


def add_price(
    owner: psycopg.Connection,
    price_code: str = "single",
    amount_minor: int = 10_000,
    effective_from: datetime = NOON - timedelta(days=365),
    mentor_id: str = "mentor-1",
) -> None:
    owner.execute(
        "INSERT INTO mentor_prices VALUES (%s, %s, %s, 'USD', %s)",
        [mentor_id, price_code, amount_minor, effective_from],
    )


def _record(content: BillingRecord | bytes | InboundRecord | None) -> InboundRecord:
    return content if isinstance(content, InboundRecord) else inbound(content)
