"""One reconciliation: wait until the pipeline has finished what is there, then compare."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from operations.failures import UnreachableError
from operations.reconcile.comparison import OutcomeCount, Scope, Waits, compare
from operations.reconcile.delivery import find_undelivered
from operations.reconcile.positions import KafkaPositions, Positions
from operations.reconcile.report import Reconciliation, judged_until, reconciliation
from operations.reconcile.settings import ReconcileSettings
from operations.reconcile.stages import Passage, Sleep, wait_for_progress
from operations.settings import Settings
from stream_processors.groups import PROCESSORS_GROUP


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found, and the scope in which it was.

    `judged_until`: what belongs to an earlier time of the window was not on its way any more, so
    that only what happens later can change its verdict; None where a stage was behind.
    """

    found: Reconciliation
    scope: Scope
    judged_until: datetime | None


def reconcile_now(
    settings: Settings, since: datetime | None = None, until: datetime | None = None
) -> Reconciliation:
    """Reconcile the system that the settings name; raises as `examine_now`."""
    return examine_now(settings, (since, until)).found


def examine_now(
    settings: Settings,
    window: tuple[datetime | None, datetime | None],
    sleep: Sleep = time.sleep,
) -> Examination:
    """Reconcile a window of the system that the settings name.

    Raises UnreachableError where the database or Kafka does not answer.
    """
    patience = ReconcileSettings()
    database_url = settings.need("database_url")
    servers = settings.brokers()
    positions = KafkaPositions(servers, patience.kafka_timeout_seconds)
    with database(database_url) as connection:
        return examine(connection, positions, patience, window, sleep)


@contextmanager
def database(database_url: str) -> Iterator[psycopg.Connection]:
    """Connect; raises UnreachableError instead of what psycopg raises meanwhile."""
    try:
        with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise UnreachableError(
            f"The database cannot be read: {str(error).strip()}. `outbox status` shows whether "
            "postgres runs, `outbox up` starts it."
        ) from error


def examine(
    connection: psycopg.Connection,
    positions: Positions,
    patience: ReconcileSettings,
    window: tuple[datetime | None, datetime | None],
    sleep: Sleep = time.sleep,
) -> Examination:
    """Reconcile a window. Raises UnreachableError where Kafka does not answer, psycopg.Error."""
    # Before Kafka is asked where its topics end: what had its receipt then, lay before that end.
    [(asked_at,)] = connection.execute("SELECT clock_timestamp()").fetchall()
    progress = wait_for_progress(positions, PROCESSORS_GROUP, patience.wait_seconds, sleep)
    delivery = find_undelivered(connection, positions, patience, window, sleep)
    scope = Scope(
        judged=progress.judged,
        ends=progress.ends,
        asked_at=asked_at,
        undelivered=sorted(delivery.undelivered),
        lagging=progress.lagging,
        since=window[0],
        until=window[1],
        grace_seconds=patience.delivery_grace_seconds,
        waits=Waits(
            completion_days_max=patience.completion_days_max,
            evaluation_days_max=patience.evaluation_days_max,
            package_days_max=patience.package_days_max,
        ),
        details_max=patience.details_max,
    )
    late = [*progress.late, *([] if delivery.late is None else [delivery.late])]
    outcomes = compare(connection, scope)
    # What is younger was not asked for its receipt or its counterpart yet.
    newest = asked_at - timedelta(seconds=patience.delivery_grace_seconds)
    until = None if late else judged_until(outcomes, newest)
    return Examination(_summed_up(outcomes, late), scope, until)


def _summed_up(outcomes: Sequence[OutcomeCount], late: Sequence[Passage]) -> Reconciliation:
    return reconciliation(
        outcomes,
        warnings=[passage.warning for passage in late],
        stands_still=any(passage.stands_still for passage in late),
    )
