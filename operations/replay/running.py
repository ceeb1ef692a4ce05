"""One replay from beginning to end: page by page, each stored as done once Kafka has it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict

from operations.actions import record_action
from operations.failures import ProblemError
from operations.replay.event_pages import EventPages
from operations.replay.kafka_records import KafkaRecords
from operations.replay.pacing import Pace
from operations.replay.progress import Progress, ProgressFile
from operations.replay.selection import Page, Selection, fingerprint
from operations.replay.sending import EventSender
from operations.replay.topic_pages import TopicPages
from schemas.brokers import Brokers

_PAGE_EVENTS_MAX = 1_000


class Watcher(Protocol):
    """Who is told how a replay goes."""

    def going_on(self, progress: Progress) -> None:
        """One of the same selection was broken off there; this goes on."""

    def begin(self, done: int, total: int) -> None:
        """So many of so many are done."""

    def advance(self, events: int) -> None:
        """So many more are done."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asked for. restart: not to go on where the same was broken off."""

    selection: Selection
    rate: float
    dry_run: bool
    restart: bool
    actor: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Between which services it is done, and the folder in which progress is kept."""

    database_url: str
    brokers: Brokers
    folder: Path


def replay_events(order: Order, place: Place, watcher: Watcher) -> Progress:
    """Send the chosen events again, or only count them; return what became of them.

    Killed anywhere, the same order goes on where it was: at most the page in hand is sent twice.
    Raises ProblemError where nothing is chosen or the same is running; as EventSender and
    KafkaRecords otherwise.
    """
    with (
        ProgressFile(place.folder, _name(order.selection, place)) as file,
        psycopg.connect(place.database_url, autocommit=True, connect_timeout=10) as connection,
        KafkaRecords(place.brokers) as records,
    ):
        if order.restart and not order.dry_run:
            file.remove()
        progress = None if order.restart else file.read()
        if progress is None:
            progress = Progress(order.selection.given(), datetime.now(UTC).isoformat())
        else:
            watcher.going_on(progress)
        kind = EventPages if order.selection.topic is None else TopicPages
        # About a second's worth: what is sent twice, should it be killed.
        page_events = max(min(int(order.rate), _PAGE_EVENTS_MAX), 1)
        pages = kind(connection, records, order.selection, progress.mark, page_events)
        if pages.total == 0 and progress.mark is None:
            raise ProblemError(
                f"There is nothing to send again for {order.selection}: check what you chose, and"
                " whether the application's transaction was committed."
            )
        watcher.begin(progress.sent, progress.sent + pages.total)
        if order.dry_run:
            for page in pages:
                progress.add(page)
                watcher.advance(page.read)
            return progress
        _record(connection, order, progress, pages.total)
        _send(pages, order, place, file, progress, watcher)
        file.remove()
        return progress


def _send(
    pages: Iterable[Page],
    order: Order,
    place: Place,
    file: ProgressFile,
    progress: Progress,
    watcher: Watcher,
) -> None:
    pace = Pace(order.rate)
    with EventSender(place.brokers, "replay") as sender:
        for page in pages:
            for chosen in page.chosen:
                pace.wait()
                sender.send(chosen.record)
            sender.flush()
            progress.add(page)
            file.write(progress)
            watcher.advance(page.read)


def _record(
    connection: psycopg.Connection, order: Order, progress: Progress, remaining: int
) -> None:
    """Record it before the first event is sent: what is sent cannot be taken back."""
    record_action(
        connection,
        action="replay",
        subject=str(order.selection),
        actor=order.actor,
        reason=order.reason,
        detail={
            "selection": order.selection.given(),
            "events": progress.sent + remaining,
            "sent_before": progress.sent,
            "rate": order.rate,
        },
    )


def _name(selection: Selection, place: Place) -> str:
    database = conninfo_to_dict(place.database_url)
    where = [str(database.get(part)) for part in ("host", "hostaddr", "port", "dbname")]
    return fingerprint(selection, *where, place.brokers.addresses)
