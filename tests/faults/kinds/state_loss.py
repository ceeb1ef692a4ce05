"""Faults after which a place in Kafka is lost: whose it was says so, and a person rebuilds."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.faults.acting import Act, assignment, health, pause, stopped, verb, wait_healthy, workers
from tests.faults.positions import committed, ends, kafka, truncate
from tests.faults.site import Outcome
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.faults.site import Site

WRITER = "ledger-writer"
EVENTS, PACKAGE_SESSIONS, PAYABLES = (
    "events.session",
    "billing.package-sessions",
    "billing.payables",
)
PROCESSORS = "outbox-billing"
RECEIPTS_OF, PAYABLES_OF = "outbox-ledger-receipts", "outbox-ledger-payables"
TELLING = "outbox rebuild --replace"
LOUD_SECONDS = 180.0
_ALL_SAY_SECONDS = 60.0
_REBUILD_SECONDS = 3_600.0
_ANSWER_SECONDS = 60.0
# What was on its way to a process when it was stopped still reaches it.
_IN_FLIGHT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reader:
    """A process, and the partitions of one topic that it reads in a group."""

    process: str
    group: str
    topic: str
    partitions: frozenset[int]

    def positions(self, site: Site) -> dict[int, int]:
        """Return how far its group has come in them."""
        offsets = committed(site, self.group, self.topic)
        return {number: offsets[number] for number in self.partitions}


@dataclass(frozen=True, slots=True)
class Loss:
    """What was lost, and whose place with it."""

    detail: str
    readers: Sequence[Reader]


def _rebuilt(lose: Callable[[Site], Loss]) -> Callable[[Site], Outcome]:
    """Lose what positions rest on, see that everybody says so whose it was, then rebuild."""

    def run(site: Site) -> Outcome:
        logs = [site.stack.layout.log(name) for name in (*workers(site), WRITER)]
        read_before = {log: log.stat().st_size for log in logs}
        loss = lose(site)
        site.struck()
        before = [reader.positions(site) for reader in loss.readers]
        said = wait_until(
            "somebody says that a position is lost",
            lambda: _lines(read_before, TELLING),
            bool,
            LOUD_SECONDS,
        )
        said |= _all_said(read_before, {reader.process for reader in loss.readers})
        seconds = pause(site, 2, 6)
        silent = [
            f"{reader.process} (from {earlier} to {now} of {reader.topic})"
            for reader, earlier in zip(loss.readers, before, strict=True)
            if reader.process not in said and (now := reader.positions(site)) != earlier
        ]
        site.repairs()
        verb(site, "rebuild", "--replace", timeout=_REBUILD_SECONDS)
        wait_healthy(site, *workers(site), WRITER)
        # Exit 1: the plan has bills that rightly wait for a person.
        verb(site, "reconcile", "--repair", codes=(0, 1), timeout=_REBUILD_SECONDS)
        return Outcome(
            f"{loss.detail}; said by {', '.join(sorted(said))}; "
            f"rebuilt {seconds:.1f} s after it was said",
            loud="; ".join(said[name] for name in sorted(said)),
            silent=", ".join(silent) or None,
            red=True,
        )

    return run


def _all_said(read_before: Mapping[Path, int], names: set[str]) -> dict[str, str]:
    """Return what each of these says, as far as they say anything within a while."""
    with contextlib.suppress(AssertionError):
        wait_until(
            "everybody says so whose position is lost",
            lambda: _lines(read_before, TELLING).keys(),
            lambda saying: names <= saying,
            _ALL_SAY_SECONDS,
        )
    return _lines(read_before, TELLING)


def _lines(read_before: Mapping[Path, int], text: str) -> dict[str, str]:
    """Return by process the first line with a text that its log holds beyond a position."""
    found: dict[str, str] = {}
    for log, position in read_before.items():
        with log.open(errors="replace") as file:
            file.seek(position if log.stat().st_size >= position else 0)
            line = next((line for line in file if text in line), None)
            if line is not None:
                found[log.stem] = f"{log.stem}: {line.strip()[:300]}"
    return found


def _readers(site: Site, topic: str) -> list[Reader]:
    """Return which workers read which partitions of a topic."""
    readers = []
    for name in workers(site):
        numbers = _numbers(assignment(site, name), topic)
        readers += [Reader(name, PROCESSORS, topic, numbers)] if numbers else []
    return readers


def _writer_reads(site: Site, group: str, topic: str) -> list[Reader]:
    """Return what the ledger writer reads of a topic in one of its groups."""
    assigned = health(site, WRITER).get("assignment") or {}
    return [Reader(WRITER, group, topic, _numbers(assigned.get(group) or (), topic))]


def _numbers(partitions: Sequence[str] | set[str], topic: str) -> frozenset[int]:
    """Return the numbers of a topic's partitions, as health pages name them: topic[number]."""
    return frozenset(
        int(each.removeprefix(f"{topic}[").removesuffix("]"))
        for each in partitions
        if each.startswith(f"{topic}[")
    )


def _changelog_deleted(site: Site) -> Loss:
    facts, source = site.random.choice(
        [("session_facts", EVENTS), ("package_facts", PACKAGE_SESSIONS)]
    )
    readers = _readers(site, source)
    topic = f"outbox-billing-{facts}-changelog"
    client = kafka(site)
    client.delete_topics([topic], operation_timeout=30)[topic].result(_ANSWER_SECONDS)
    return Loss(f"{topic} deleted", readers)


def _truncated(topic: str, read_by: Callable[[Site], list[Reader]]) -> Callable[[Site], Loss]:
    """Remove records that some have not read: they are stopped while some come."""

    def lose(site: Site) -> Loss:
        readers = read_by(site)
        names = sorted({reader.process for reader in readers})
        with contextlib.ExitStack() as all_stopped:
            for name in names:
                all_stopped.enter_context(stopped(site, name))
            pause(site, _IN_FLIGHT_SECONDS, _IN_FLIGHT_SECONDS)
            known = ends(site, topic)
            seconds = pause(site, 1, 4)
            lows = truncate(site, topic)
        unread = {number for number, low in enumerate(lows) if low > known[number]}
        assert unread, f"nothing came into {topic} within {seconds:.1f} s"
        affected = [
            Reader(each.process, each.group, each.topic, each.partitions & unread)
            for each in readers
            if each.partitions & unread
        ]
        return Loss(
            f"{topic} truncated to {lows} after {', '.join(names)} had been stopped "
            f"{seconds:.1f} s",
            affected,
        )

    return lose


def _payables_truncated(site: Site) -> Loss:
    """Kafka removes records only where it may delete any."""
    with _may_be_deleted(site, PAYABLES):
        lose = _truncated(PAYABLES, lambda site: _writer_reads(site, PAYABLES_OF, PAYABLES))
        return lose(site)


@contextlib.contextmanager
def _may_be_deleted(site: Site, topic: str) -> Iterator[None]:
    _set_cleanup(site, topic, "compact,delete")
    try:
        yield
    finally:
        _set_cleanup(site, topic, "compact")


def _set_cleanup(site: Site, topic: str, policy: str) -> None:
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = kafka(site)
    client.incremental_alter_configs([resource])[resource].result(_ANSWER_SECONDS)


def _by_all(site: Site) -> list[Reader]:
    return [*_readers(site, EVENTS), *_writer_reads(site, RECEIPTS_OF, EVENTS)]


FAULTS = tuple(
    Act(kind, "loss", _rebuilt(lose), repair=True, rebuild=True)
    for kind, lose in (
        ("loss: changelog deleted", _changelog_deleted),
        (
            "loss: events truncated",
            _truncated(EVENTS, lambda site: _readers(site, EVENTS)),
        ),
        ("loss: events truncated, read by nobody", _truncated(EVENTS, _by_all)),
        (
            "loss: events truncated, without receipts",
            _truncated(EVENTS, lambda site: _writer_reads(site, RECEIPTS_OF, EVENTS)),
        ),
        ("loss: payables truncated", _payables_truncated),
    )
)
