"""`outbox rebuild --replace`: the state made anew from the events, in the place of the one there.

The repair for whatever makes a position untrue: a lost changelog, a truncated or replaced topic.
It never touches the ledger: everything is said again, and the ledger ignores what it has.

Killed anywhere, what it leaves is either right as it is or stops the workers with a message that
names this command; called again, it begins anew.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from operations.actions import record_action
from operations.failures import ProblemError
from operations.rebuild.beginning import begin_changelogs, move_to_beginning
from operations.rebuild.cluster import Cluster
from operations.rebuild.following import Teller, follow_pipeline
from operations.rebuild.growing import grow, require_more
from operations.rebuild.missing_events import events_not_in_kafka
from operations.rebuild.processes import LocalProcesses, local_processes
from operations.rebuild.seeding import seed_facts
from operations.reconcile.positions import Partition
from operations.replay.sending import send_events
from schemas.brokers import Brokers
from schemas.topics import EVENTS_SESSION, TOPICS, Scale
from stream_processors.groups import LEDGER_WRITER_READS, PROCESSORS_GROUP
from stream_processors.written_topics import CHANGELOGS

# Longer than a member that has ended keeps its place in its group.
_EMPTY_SECONDS = 15.0
_LOCK = "SELECT pg_try_advisory_lock(hashtext('outbox rebuild'))"


@dataclass(frozen=True, slots=True)
class Replacement:
    """What was done. `moved`: positions of the ledger writer that were in no topic any more."""

    topics_made: tuple[str, ...]
    events_sent: int
    moved: tuple[str, ...]
    started: tuple[str, ...]


@contextmanager
def only_rebuild(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection of the owner that keeps every other rebuild of this system away."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        if connection.execute(_LOCK).fetchone() != (True,):
            raise ProblemError(
                "Another `outbox rebuild` is at work on this system. Wait until it is done."
            )
        yield connection


def replace(
    database_url: str,
    brokers: Brokers,
    actor: str,
    teller: Teller,
    partitions: int | None = None,
) -> Replacement:
    """Make the state anew, and wait until the ledger writer has read what follows from it.

    With `partitions` the topics that sessions and packages pass through have so many from then on.

    Raises ProblemError where processors run that cannot be stopped from here.
    """
    cluster = Cluster(brokers)
    scale = None if partitions is None else require_more(cluster, partitions)
    with (
        only_rebuild(database_url) as connection,
        local_processes(brokers) as local,
    ):
        _stop(cluster, local, PROCESSORS_GROUP, teller)
        if scale is not None:
            _grow(cluster, local, scale, teller)
        made = cluster.create_missing(TOPICS, cluster.scale())
        if made:
            teller.say(f"Made the topics that were not there: {', '.join(made)}.")
        sent = _send_missing(database_url, cluster, teller)
        moved = _move_ledger_writer(cluster, local, teller)
        move_to_beginning(cluster, PROCESSORS_GROUP)
        _replace_changelogs(cluster, local)
        seeded = seed_facts(database_url, cluster)
        begin_changelogs(cluster, PROCESSORS_GROUP)
        teller.say(f"Made the changelogs anew, with {seeded} recorded facts of sessions.")
        record_action(
            connection,
            action="rebuild.replace",
            subject=PROCESSORS_GROUP,
            actor=actor,
            detail={
                "topics_made": made,
                "events_sent": sent,
                "moved": moved,
                "partitions": partitions,
            },
        )
        started = local.start_again() if local is not None else []
    if started:
        teller.say(f"Started {', '.join(started)}; they read everything again.")
        follow_pipeline(cluster.positions, PROCESSORS_GROUP, teller.report)
    return Replacement(tuple(made), sent, tuple(moved), tuple(started))


def _grow(cluster: Cluster, local: LocalProcesses | None, scale: Scale, teller: Teller) -> None:
    """Make the topics larger; the ledger writer reads them too."""
    for group in LEDGER_WRITER_READS:
        _stop(cluster, local, group, teller)
    grow(cluster, scale)
    teller.say(f"Made {EVENTS_SESSION.name} anew, with {scale.partitions} partitions.")


def _stop(cluster: Cluster, local: LocalProcesses | None, group: str, teller: Teller) -> None:
    """Make sure that a group has no members, if need be by stopping the local stack's."""
    if local is not None:
        stopped = local.stop_workers() if group == PROCESSORS_GROUP else local.stop_ledger_writer()
        teller.say(f"Stopped {', '.join(stopped)}; waiting until {group} has forgotten them.")
    left = cluster.wait_until_empty(group, _EMPTY_SECONDS)
    if left:
        raise ProblemError(
            f"{group} still has members: {'; '.join(left)}. Stop these processes (this "
            "OUTBOX_HOME has no stack that they belong to), then run the same command again."
        )


def _send_missing(database_url: str, cluster: Cluster, teller: Teller) -> int:
    """Send the events again that their topic no longer holds; return how many."""

    def report(done: int, total: int) -> None:
        teller.report("Looking for events that Kafka no longer has", done, total)

    with (
        psycopg.connect(database_url) as connection,
        events_not_in_kafka(connection, cluster, report) as events,
    ):
        sent = send_events(cluster.brokers, events, "rebuild")
    teller.say(f"Sent {sent} events again that {EVENTS_SESSION.name} no longer held.")
    return sent


def _move_ledger_writer(
    cluster: Cluster, local: LocalProcesses | None, teller: Teller
) -> list[str]:
    """Move the ledger writer's positions that are in no topic any more to where it begins."""
    moved = []
    for group, topics in LEDGER_WRITER_READS.items():
        if not cluster.outside(group, topics):
            continue
        _stop(cluster, local, group, teller)
        outside = cluster.outside(group, topics)
        begins = cluster.positions.begins(topics)
        if outside:
            cluster.move(group, {partition: begins[partition] for partition in outside})
        for partition in outside:
            moved.append(f"{group}: {_named(partition)} to {begins[partition]}")
            teller.say(f"Moved {moved[-1]}: its position was no longer in the topic.")
    return moved


def _replace_changelogs(cluster: Cluster, local: LocalProcesses | None) -> None:
    """Delete the changelogs and begin new ones, which are not complete yet."""
    scale = cluster.scale()
    cluster.delete_topics([changelog.name for changelog in CHANGELOGS])
    cluster.create_missing(CHANGELOGS, scale)
    begin_changelogs(cluster, PROCESSORS_GROUP, complete=False)
    if local is not None:
        local.drop_state()


def _named(partition: Partition) -> str:
    topic, number = partition
    return f"{topic}[{number}]"
