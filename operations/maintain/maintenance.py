"""One maintenance, step by step. Killed between or within steps, the next one goes on."""

from collections.abc import Callable
from dataclasses import asdict

import psycopg
from psycopg import errors, sql

from operations.failures import ProblemError
from operations.ledger.sealing import seal
from operations.maintain.archiving import archive
from operations.maintain.days import Day, expired_days, undelivered
from operations.maintain.dropping import InUseError, detach, drop_detached
from operations.maintain.report import DroppedDay, KeptDay, Maintenance, counted
from operations.maintain.settings import MaintainSettings
from operations.maintain.strays import STRAYS, move_strays, stray_days, sweep_receipts

# A long transaction may add to a day between its archival and its drop; not again and again.
_PASSES = 3


def maintain_database(
    connection: psycopg.Connection,
    settings: MaintainSettings,
    report: Callable[[str], None] = lambda _: None,
) -> Maintenance:
    """Make the days ahead, archive and drop the old ones, seal the ledger.

    connection: the owner's, autocommit. report is told what was done, line by line. Raises
    ProblemError if another maintenance does not end; psycopg.Error where the database refuses.
    """
    done = Maintenance()
    _wait_for_turn(connection, settings, report)
    try:
        done.partitions_made = _partitions_ahead(connection, settings, done)
        for name in drop_detached(connection):
            report(f"{name}: dropped; an earlier run had been ended before it could.")
        for day in stray_days(connection, settings.retention_days):
            _retire_strays(connection, day, settings, done, report)
        for day in expired_days(connection, settings.retention_days):
            _retire(connection, day, settings, done, report)
        done.receipts_swept = sweep_receipts(connection)
        _seal_ledger(connection, done)
    finally:
        connection.execute("SELECT pg_advisory_unlock(hashtextextended('outbox.maintain', 0))")
    return done


def _wait_for_turn(
    connection: psycopg.Connection, settings: MaintainSettings, report: Callable[[str], None]
) -> None:
    """One at a time: the second one finds little left to do."""
    row = connection.execute(
        "SELECT pg_try_advisory_lock(hashtextextended('outbox.maintain', 0))"
    ).fetchone()
    if row == (True,):
        return
    report("Another `outbox maintain` is at work: waiting for it to end.")
    try:
        with connection.transaction():
            connection.execute(
                "SELECT set_config('lock_timeout', %s, true)", [f"{settings.turn_seconds}s"]
            )
            connection.execute("SELECT pg_advisory_lock(hashtextextended('outbox.maintain', 0))")
    except errors.LockNotAvailable as error:
        raise ProblemError(
            f"Another `outbox maintain` has been at work for {settings.turn_seconds:g} s: nothing "
            "was done. See what holds the advisory lock in pg_locks, then run it again."
        ) from error


def _partitions_ahead(
    connection: psycopg.Connection, settings: MaintainSettings, done: Maintenance
) -> int:
    def warn(notice: psycopg.errors.Diagnostic) -> None:
        if notice.message_primary:
            done.warnings.append(notice.message_primary)

    connection.add_notice_handler(warn)
    try:
        row = connection.execute(
            "SELECT create_partitions(%s)", [settings.partitions_ahead_days]
        ).fetchone()
    finally:
        connection.remove_notice_handler(warn)
    return 0 if row is None else int(row[0])


def _seal_ledger(connection: psycopg.Connection, done: Maintenance) -> None:
    """Seal what was posted; that it could not be does not take back what else was done."""
    try:
        made = seal(connection)
    except ProblemError as error:
        done.faults.append(error.message)
    else:
        done.seal = {**asdict(made), "head": made.head}


def _retire_strays(
    connection: psycopg.Connection,
    day: Day,
    settings: MaintainSettings,
    done: Maintenance,
    report: Callable[[str], None],
) -> None:
    """Archive the events of a day that has no partition; say what is left of it."""
    moved = move_strays(connection, day, settings.batch_rows)
    done.archived += moved
    done.strays_moved += moved
    if moved:
        report(f"{day.day}: {counted(moved)} moved from the default partition to the archive.")
    if not _keep_undelivered(connection, day, STRAYS, done) and _has_rows(connection, STRAYS, day):
        done.kept.append(KeptDay(day.day, "not_archived"))


def _retire(
    connection: psycopg.Connection,
    day: Day,
    settings: MaintainSettings,
    done: Maintenance,
    report: Callable[[str], None],
) -> None:
    """Archive and drop one day, or say why it is kept."""
    if day.events is None:
        # Its events, if any, are strays: their receipts go once they have gone.
        if _has_rows(connection, "domain_events", day):
            return
    elif _dropped_before(connection, day) and _has_rows(connection, day.events, day):
        done.kept.append(KeptDay(day.day, "dropped_before"))
        return
    for _ in range(_PASSES):
        if day.events is not None and not _archive(connection, day, day.events, settings, done):
            return
        try:
            detached = detach(
                connection, day, settings.lock_milliseconds, settings.lock_patience_seconds
            )
        except InUseError as error:
            done.kept.append(KeptDay(day.day, "in_use", detail=str(error)))
            return
        if detached is not None:
            drop_detached(connection)
            done.dropped.append(DroppedDay(day.day, detached.events, detached.locked_milliseconds))
            report(
                f"{day.day}: {counted(detached.events)} archived, the day dropped "
                f"({detached.locked_milliseconds} ms under lock)."
            )
            return
    done.kept.append(KeptDay(day.day, "not_archived"))


def _archive(
    connection: psycopg.Connection,
    day: Day,
    partition: str,
    settings: MaintainSettings,
    done: Maintenance,
) -> bool:
    """Copy a day to the archive; False, and copy nothing, if it is kept."""
    if _keep_undelivered(connection, day, partition, done):
        return False
    # From now on recorded_events leaves the copies out, until the day itself is taken away.
    connection.execute(
        "INSERT INTO archived_days (day) VALUES (%s) "
        # It may have been dropped before, when it was empty.
        "ON CONFLICT (day) DO UPDATE SET dropped_at = NULL, events = NULL",
        [day.day],
    )
    done.archived += archive(connection, partition, day.since, day.until, settings.batch_rows)
    return True


def _keep_undelivered(
    connection: psycopg.Connection, day: Day, partition: str, done: Maintenance
) -> bool:
    """Whether a day must be kept, since Kafka has not had all of it."""
    found = undelivered(connection, partition, day.since, day.until)
    if found.amount:
        done.kept.append(KeptDay(day.day, "undelivered", found.amount, found.first_ids))
    return found.amount > 0


def _has_rows(connection: psycopg.Connection, table: str, day: Day) -> bool:
    row = connection.execute(
        sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE created_at >= %s AND created_at < %s)").format(
            sql.Identifier(table)
        ),
        [day.since, day.until],
    ).fetchone()
    return row == (True,)


def _dropped_before(connection: psycopg.Connection, day: Day) -> bool:
    """Whether events of the day are in the archive, and shown there."""
    row = connection.execute(
        "SELECT dropped_at IS NOT NULL FROM archived_days WHERE day = %s", [day.day]
    ).fetchone()
    return row == (True,) and _has_rows(connection, "archived_events", day)
