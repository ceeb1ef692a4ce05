"""How fast a worker's state comes back from its changelog: `python -m benchmarks.state_recovery`.

Needs a stack that is up. Writes rows like those of `session_facts` to a topic of its own, and reads
them back into an empty local copy, as a worker does whose disk was lost.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from confluent_kafka.admin import AdminClient, NewTopic

from operations.output import print_table
from operations.settings import load_settings
from schemas import codec
from schemas.records import CompletedFact
from stream_processors.billing.facts import session_fact_key
from stream_processors.engine.changelog import Changelog
from stream_processors.engine.fact_table import FactPartition
from stream_processors.engine.messages import OutboundRecord
from stream_processors.engine.outbound import Outbound

if TYPE_CHECKING:
    from schemas.brokers import Brokers

_BATCH_ROWS = 5_000
_REQUEST_SECONDS = 30


@click.command()
@click.option("--rows", default=200_000, show_default=True, help="How many facts.")
@click.option("--runs", default=3, show_default=True, help="How often they are read back.")
def main(rows: int, runs: int) -> None:
    """Write facts to a changelog and measure how fast they are read back."""
    brokers = load_settings().brokers()
    topic = f"benchmark-changelog-{uuid.uuid4().hex[:8]}"
    admin = AdminClient(brokers.client)
    for creation in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        creation.result(_REQUEST_SECONDS)
    try:
        asyncio.run(_write(brokers, topic, rows))
        print_table(
            [_read(brokers, topic, number) for number in range(1, runs + 1)],
            ("run", "rows", "seconds", "rows_per_second"),
        )
    finally:
        for deletion in admin.delete_topics([topic]).values():
            deletion.result(_REQUEST_SECONDS)


async def _write(brokers: Brokers, topic: str, rows: int) -> None:
    outbound = Outbound(brokers.client)
    for first in range(0, rows, _BATCH_ROWS):
        facts = [_fact(number) for number in range(first, min(first + _BATCH_ROWS, rows))]
        await outbound.deliver(
            [
                OutboundRecord(topic, session_fact_key(fact), codec.encode(fact), partition=0)
                for fact in facts
            ]
        )
    outbound.close()


def _read(brokers: Brokers, topic: str, run: int) -> dict[str, object]:
    changelog = Changelog(topic, topic, "benchmark", brokers.client)
    with tempfile.TemporaryDirectory() as directory:
        partition = FactPartition(Path(directory) / "copy", changelog, 0)
        started = time.monotonic()
        rows = partition.catch_up()
        seconds = time.monotonic() - started
        partition.close()
    changelog.close()
    return {
        "run": run,
        "rows": rows,
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / seconds),
    }


def _fact(number: int) -> CompletedFact:
    return CompletedFact(
        event_id=str(uuid.UUID(int=number)),
        session_id=f"session-{number}",
        contract_id=f"contract-{number // 10}",
        mentor_id=f"mentor-{number % 100}",
        student_id=f"student-{number % 1000}",
        session_type="mentoring",
        required_evaluation=False,
        completed_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )


if __name__ == "__main__":
    main()
