"""One reconciliation: wait until the pipeline has finished what is there, then compare."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg

from operations.failures import UnreachableError
from operations.reconcile.comparison import OutcomeCount, Scope, Waits, compare
from operations.reconcile.delivery import find_undelivered
from operations.reconcile.positions import KafkaPositions, Positions
from operations.reconcile.report import Reconciliation, reconciliation
from operations.reconcile.settings import ReconcileSettings
from operations.reconcile.stages import Passage, wait_for_progress
from operations.settings import Settings
from stream_processors.groups import PROCESSORS_GROUP


def reconcile_now(
    settings: Settings, since: datetime | None = None, until: datetime | None = None
) -> Reconciliation:
    """Reconcile the system that the settings name; raises UnreachableError as `reconcile_once`."""
    patience = ReconcileSettings()
    return reconcile_once(
        settings.need("database_url"),
        KafkaPositions(settings.need("kafka_bootstrap_servers"), patience.kafka_timeout_seconds),
        patience,
        since=since,
        until=until,
    )


def reconcile_once(
    database_url: str,
    positions: Positions,
    patience: ReconcileSettings,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Reconciliation:
    """Reconcile now. Raises UnreachableError where the database or Kafka does not answer."""
    with database(database_url) as connection:
        return examine(connection, positions, patience, (since, until)).found


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found, and the scope in which it was."""

    found: Reconciliation
    scope: Scope


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
) -> Examination:
    """Reconcile a window. Raises UnreachableError where Kafka does not answer, psycopg.Error."""
    # Before Kafka is asked where its topics end: what had its receipt then, lay before that end.
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    progress = wait_for_progress(positions, PROCESSORS_GROUP, patience.wait_seconds)
    delivery = find_undelivered(connection, positions, patience, window)
    scope = Scope(
        judged=progress.judged,
        ends=progress.ends,
        asked_at=row[0] if row is not None else None,
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
    return Examination(_summed_up(compare(connection, scope), late), scope)


def _summed_up(outcomes: Sequence[OutcomeCount], late: Sequence[Passage]) -> Reconciliation:
    return reconciliation(
        outcomes,
        warnings=[passage.warning for passage in late],
        stands_still=any(passage.stands_still for passage in late),
    )
