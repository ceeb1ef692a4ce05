"""What PostgreSQL's tables tell: migrations, receipts, partitions, exceptions."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg

from infra.postgres.errors import MigrationChangedError
from infra.postgres.migrate import OLDEST_SERVER, missing_migrations
from operations.doctor.finding import Finding, age, fault, fine, warning
from operations.reconcile.comparison import still_without_receipt

NEWEST_TRIED = 18
LATE_SECONDS = 10.0
LOST_SECONDS = 60.0
_SECOND_LOOK_SECONDS = 5.0
DAYS_AHEAD_FEW = 7
DAYS_AHEAD_NONE = 2
SEAL_LATE_SECONDS = 36 * 3_600
SEAL_MISSING_SECONDS = 72 * 3_600
_PARENTS = ("domain_events", "domain_event_deliveries")

_LATE = """
    SELECT id, extract(epoch FROM clock_timestamp() - created_at)::float8
    FROM undelivered_events
    WHERE created_at < clock_timestamp() - make_interval(secs => %s)
"""
_DAYS_AHEAD = """
    SELECT ahead
    FROM generate_series(0, 60) AS ahead
    WHERE NOT EXISTS (
        SELECT FROM pg_inherits
        WHERE inhparent = to_regclass('public.' || %(parent)s)
          AND inhrelid = to_regclass(format('public.%%I', %(parent)s || '_' || to_char(
              (clock_timestamp() AT TIME ZONE 'UTC')::date + ahead, 'YYYYMMDD')))
    )
    ORDER BY ahead
    LIMIT 1
"""
_IN_DEFAULT = """
    SELECT count(*), min(created_at)::text, max(created_at)::text,
           count(*) FILTER (WHERE created_at > clock_timestamp() - interval '1 hour')
    FROM ONLY domain_events_default
"""
_EXCEPTIONS = """
    SELECT
        count(*) FILTER (WHERE status = 'failed'),
        count(*) FILTER (WHERE status IN ('failed', 'retrying')
            AND first_failed_at < clock_timestamp() - interval '24 hours'),
        count(*) FILTER (WHERE status = 'retrying'
            AND next_attempt_at < clock_timestamp() - interval '1 minute'),
        count(*) FILTER (WHERE status = 'retrying')
    FROM billing_exceptions
    WHERE status IN ('failed', 'retrying')
"""
# The oldest entry that no seal covers.
_UNSEALED = """
    SELECT count(*), extract(epoch FROM clock_timestamp() - min(posted_at))::float8,
           (SELECT max(number) FROM ledger_seals)
    FROM mentor_payable_ledgers
    WHERE posted_at > coalesce((SELECT max(posted_until) FROM ledger_seals), '-infinity')
"""


def server_version(connection: psycopg.Connection) -> Iterator[Finding]:
    """Whether the server is one that this was made for."""
    number = connection.info.server_version
    name = f"PostgreSQL {number // 10_000}.{number % 10_000}"
    if number < OLDEST_SERVER:
        yield fault("server", f"{name} is too old: 14 to 18 are supported", "upgrade the server")
    elif number // 10_000 > NEWEST_TRIED:
        yield warning(
            "server",
            f"{name} is newer than any this was tried with (up to {NEWEST_TRIED})",
            "`make test` against it, or a server of that version",
        )
    else:
        yield fine("server", name)


def migrations(connection: psycopg.Connection) -> Iterator[Finding]:
    """Whether the database has had every migration, and none that is unknown or was edited."""
    try:
        missing = missing_migrations(connection)
    except MigrationChangedError as error:
        yield fault("migrations", str(error), "`git status infra/postgres/migrations`")
        return
    if missing:
        yield fault(
            "migrations",
            f"not applied yet: {', '.join(missing)}",
            "`outbox up`; elsewhere `outbox setup database --migrations-only`",
        )
    else:
        yield fine("migrations", "all applied")


def receipts(connection: psycopg.Connection) -> Iterator[Finding]:
    """Whether every event that was committed has been seen in Kafka."""
    late: dict[Any, float] = dict(connection.execute(_LATE, [LATE_SECONDS]).fetchall())
    deadline = time.monotonic() + _SECOND_LOOK_SECONDS
    # An event of a long transaction looks old the moment it is committed.
    while late and time.monotonic() < deadline:
        time.sleep(0.5)
        late = {event: late[event] for event in still_without_receipt(connection, {*late})}
    if not late:
        yield fine("receipts", "every event has been seen in Kafka")
        return
    oldest, waited = max(late.items(), key=lambda item: item[1])
    text = f"{len(late)} events have not been seen in Kafka, the oldest ({oldest}, {age(waited)})"
    if waited < LOST_SECONDS:
        yield warning("receipts", f"{text} not for long", "`outbox connectors status`")
    else:
        yield fault(
            "receipts",
            f"{text} for too long",
            "`outbox connectors status`; if the connector is well and they stay, "
            "`outbox connectors recover` sends them",
        )


def partitions_ahead(connection: psycopg.Connection) -> Iterator[Finding]:
    """Whether the coming days have their partitions."""
    ahead = {}
    for parent in _PARENTS:
        row = connection.execute(_DAYS_AHEAD, {"parent": parent}).fetchone()
        ahead[parent] = 60 if row is None else row[0]
    parent, days = min(ahead.items(), key=lambda item: item[1])
    remedy = "`outbox maintain`; the ledger writer does it every hour: `outbox status`"
    if days < DAYS_AHEAD_NONE:
        what = "today" if days == 0 else "tomorrow"
        yield fault("partitions", f"{parent} has no partition for {what}", remedy)
    elif days < DAYS_AHEAD_FEW:
        yield warning("partitions", f"{parent} has partitions for {days} days only", remedy)
    else:
        yield fine("partitions", f"there for {days} days, today included")


def default_partition(connection: psycopg.Connection) -> Iterator[Finding]:
    """Whether the partition for days that have none is empty."""
    row = connection.execute(_IN_DEFAULT).fetchone()
    count, first, last, lately = row if row is not None else (0, None, None, 0)
    if not count:
        yield fine("default partition", "empty")
        return
    text = f"{count} events lie in domain_events_default, of {first} to {last}"
    if lately:
        yield fault(
            "default partition",
            f"{text}: new ones still land there, for want of a partition",
            "`outbox maintain` makes the partitions of the days that follow",
        )
    else:
        yield warning(
            "default partition",
            f"{text}; they are billed as all others, but cannot be dropped as a day",
            "`outbox maintain` says what becomes of them",
        )


def exceptions(connection: psycopg.Connection) -> Iterator[Finding]:
    """Whether anything that could not be billed waits for a person, or for its retry in vain."""
    row = connection.execute(_EXCEPTIONS).fetchone()
    failed, overdue, stuck, retrying = row or (0, 0, 0, 0)
    if stuck:
        yield fault(
            "exceptions",
            f"{stuck} retries are due for more than a minute: the ledger writer does not retry",
            "`outbox status`, then `outbox up`",
        )
    if overdue:
        yield fault(
            "exceptions",
            f"{overdue} are open for more than 24 h",
            "`outbox exceptions list --older-than-24h`, then retry, resolve or dismiss each",
        )
    elif failed:
        yield warning(
            "exceptions",
            f"{failed} could not be billed and wait for a person",
            "`outbox exceptions list --status failed`, then retry, resolve or dismiss each",
        )
    elif not stuck:
        yield fine("exceptions", f"none failed, {retrying} are being retried")


def seals(connection: psycopg.Connection) -> Iterator[Finding]:
    """Whether the ledger is sealed every day. Whether a seal still holds, `ledger verify` tells."""
    row = connection.execute(_UNSEALED).fetchone()
    unsealed, seconds, last = row if row is not None else (0, None, None)
    text = f"ledger entries below no seal: {unsealed}"
    if seconds is None or seconds < SEAL_LATE_SECONDS:
        yield fine("seals", text if last is None else f"seals: {last}; {text}")
        return
    oldest = f"{text}, the oldest for {age(seconds)}: who alters one of them is not found out"
    level = warning if seconds < SEAL_MISSING_SECONDS else fault
    yield level("seals", oldest, "`outbox maintain`; the scheduler does it daily: `outbox status`")
