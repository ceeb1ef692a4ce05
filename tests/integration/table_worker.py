"""One worker's copy of a table on the real Kafka, started as often as a test likes."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stream_processors.engine.changelog import Changelog
from stream_processors.engine.fact_table import FactTable
from stream_processors.engine.outbound import Outbound
from tests.integration.kafka_topics import Topics


class Worker:
    """One worker's copy of a table of one partition, and its way to the changelog."""

    def __init__(self, topics: Topics, changelog: str, source: str, directory: Path) -> None:
        self.directory = directory
        self.closed = False
        self.outbound = Outbound(topics.settings)
        self.log = Changelog(changelog, source, "group." + changelog, topics.settings)
        self.table = FactTable("facts", self.log, directory)

    def recover(self) -> None:
        """What Processor does at an assignment."""
        genesis = self.table.recover(0)
        if genesis is not None:
            offsets = asyncio.run(self.outbound.deliver([genesis]))
            self.table.partition(0).store([(genesis.key, genesis.value)], offsets)

    def add(self, *keys: str) -> bool:
        """What Processor does with the facts of a batch; False: it must decide again."""
        rows = [(key.encode(), b"fact") for key in keys]
        records = [self.table.changelog_record(0, key, value) for key, value in rows]
        offsets = asyncio.run(self.outbound.deliver(records))
        return self.table.partition(0).store(rows, offsets)

    def known(self, prefix: str = "") -> list[str]:
        rows = self.table.partition(0).rows(prefix.encode())
        return [key.decode() for key, _ in rows if not key.startswith(b"\0")]

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.outbound.close()
        self.log.close()
        for partition in self.table._open.values():
            partition.close()


Start = Callable[[str], Worker]


@contextmanager
def started_workers(topics: Topics, directory: Path) -> Iterator[Start]:
    """Give what starts a worker of some name, again if it ran before; all have the same table."""
    changelog, source = topics.make("changelog"), topics.make("source")
    running: dict[str, Worker] = {}

    def start(name: str) -> Worker:
        if name in running:
            running.pop(name).close()
        running[name] = Worker(topics, changelog, source, directory / name)
        running[name].recover()
        return running[name]

    try:
        yield start
    finally:
        for worker in running.values():
            worker.close()
