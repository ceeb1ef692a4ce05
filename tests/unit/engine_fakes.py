"""A Processor without Kafka and RocksDB: its table, its way out, its agent."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stream_processors.engine.deaths import DeathJournal
from stream_processors.engine.fact_table import PendingFacts
from stream_processors.engine.genesis import GENESIS_KEY
from stream_processors.engine.messages import InboundRecord, OutboundRecord
from stream_processors.engine.processing import Agent, Processor
from tests.unit.memory_partition import MemoryPartition

CHANGELOG = "changelog"


def record(offset: int, partition: int = 0) -> InboundRecord:
    return InboundRecord("source", partition, offset, b"key", b"value")


class ScriptedAgent:
    """Adds its record's position as a fact and answers with it, but for what `scripts` says."""

    def __init__(self) -> None:
        self.scripts: dict[str, Callable[[], Iterable[OutboundRecord]]] = {}
        self.handled: list[str] = []
        self.quarantined: list[tuple[str, int]] = []
        self.known: list[set[bytes]] = []

    def handle(self, inbound: InboundRecord, facts: PendingFacts) -> Iterable[OutboundRecord]:
        self.handled.append(inbound.position)
        key = inbound.position.encode()
        self.known.append(set(facts.rows(b"")) - {GENESIS_KEY})
        if key not in facts.rows(b""):
            facts.add(b"", key, b"fact")
        script = self.scripts.get(inbound.position)
        return [OutboundRecord("out", key, b"output")] if script is None else script()

    def quarantine(self, inbound: InboundRecord, deaths: int) -> OutboundRecord:
        self.quarantined.append((inbound.position, deaths))
        return OutboundRecord("dead", inbound.position.encode(), b"quarantined")


@dataclass
class ScriptedPartition(MemoryPartition):
    """Reports a gap, as if another worker had written `foreign`, where that is set."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: dict[bytes, bytes] = {}

    def store(self, rows: Sequence[tuple[bytes, bytes]], offsets: Sequence[int]) -> bool:
        super().store(rows, offsets)
        if not rows or not self.foreign:
            return True
        self.stored.update(self.foreign)
        self.foreign = {}
        return False


@dataclass
class ScriptedTable:
    """Counts recoveries; `fault` is raised by the next one."""

    name: str = "facts"
    recovered: list[int] = field(default_factory=list)
    skipped: list[tuple[int, int, int]] = field(default_factory=list)
    checked: list[int] = field(default_factory=list)
    partitions: dict[int, ScriptedPartition] = field(default_factory=dict)
    fault: Exception | None = None
    skip_fault: Exception | None = None
    source_fault: Exception | None = None
    is_new: bool = False
    processed: int = 0

    @property
    def changelog(self) -> "ScriptedTable":
        return self

    def check_source(self, partition: int) -> int:
        self.checked.append(partition)
        if self.source_fault is not None:
            raise self.source_fault
        return self.processed

    def check_skipped(self, partition: int, expected: int, found: int) -> None:
        self.skipped.append((partition, expected, found))
        if self.skip_fault is not None:
            raise self.skip_fault

    def partition(self, number: int) -> ScriptedPartition:
        return self.partitions[number]

    def recover(self, number: int) -> OutboundRecord | None:
        if self.fault is not None:
            raise self.fault
        self.recovered.append(number)
        self.partitions.setdefault(number, ScriptedPartition())
        return self.changelog_record(number, GENESIS_KEY, b"") if self.is_new else None

    def close(self) -> None:
        """As the changelog's: nothing is connected here."""

    def changelog_record(self, partition: int, key: bytes, value: bytes) -> OutboundRecord:
        return OutboundRecord(CHANGELOG, key, value, partition=partition)


class ScriptedOutbound:
    """Gives out offsets; fails with `fault`, or waits for `gate`, where they are set."""

    def __init__(self) -> None:
        self.sent: list[list[OutboundRecord]] = []
        self.fault: Callable[[Sequence[OutboundRecord]], Exception] | None = None
        self.gate: asyncio.Event | None = None
        self.arrived = asyncio.Event()
        self._ends: dict[tuple[str, int | None], int] = {}

    async def deliver(self, records: Sequence[OutboundRecord]) -> list[int]:
        self.arrived.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault(records)
        self.sent.append(list(records))
        offsets = []
        for each in records:
            end = self._ends.get((each.topic, each.partition), 0)
            self._ends[each.topic, each.partition] = end + 1
            offsets.append(end)
        return offsets


class Ended(BaseException):
    """Stands for the end of the process, which nothing can catch."""


class Engine:
    """A Processor with everything about it scripted."""

    def __init__(self, directory: Path, agent: Agent | None = None) -> None:
        self.agent = ScriptedAgent()
        self._in_place: Agent = agent or self.agent
        self.table = ScriptedTable()
        self.outbound = ScriptedOutbound()
        self._directory = directory
        self.start()

    def start(self) -> None:
        """Start the process (again)."""
        collaborators: tuple[Any, Any, Any] = (self._in_place, self.table, self.outbound)
        self.processor = Processor(*collaborators, DeathJournal(self._directory))

    def deaths(self, position: str) -> int:
        """Return how often a process that starts now would think to have died of a record."""
        return DeathJournal(self._directory).deaths(position)

    @property
    def sent(self) -> list[tuple[str, bytes]]:
        return [(each.topic, each.key) for batch in self.outbound.sent for each in batch]

    def stored(self, partition: int = 0) -> set[bytes]:
        return set(self.table.partitions[partition].stored)
