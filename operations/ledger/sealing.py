"""Seals the ledger: a hash over what was posted since the seal before, chained to it.

No entry ever slips in below a seal by right. While the point is chosen nobody can post: the table
is locked, so a transaction that has posted is waited for, and one that has not will post later.
And what is posted later has a later `posted_at`, whatever the server's clock does: the trigger
prepare_ledger_entry puts it behind the last seal.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import class_row

from operations.failures import ProblemError

_HERE = Path(__file__).parent
DIGEST = (_HERE / "digest.sql").read_text(encoding="utf-8")

# Any number that nobody else locks: one seal is made at a time.
_SEAL_LOCK = 7_204_611_902_357_119
# Whoever posts waits behind this lock while it waits for a posting transaction that is open. More
# than deadlock_timeout (1 s): after that an autovacuum that is in the way gives way.
_LOCK_SECONDS = 2.0
_TRIES = 5
_PAUSE_SECONDS = 1.0

_SETTINGS = "SET LOCAL search_path = pg_catalog, public, pg_temp"
_LIST = DIGEST + (_HERE / "seal_list.sql").read_text(encoding="utf-8")
_LOCK = "LOCK TABLE mentor_payable_ledgers IN SHARE ROW EXCLUSIVE MODE"
# Of a seal's columns, with nothing left out but sealed_at; `verify` computes the same.
HASH = """
    sha256(convert_to(jsonb_build_array(
        number, extract(epoch FROM sealed_at), extract(epoch FROM posted_until), entries,
        encode(entries_hash, 'hex'), encode(previous_hash, 'hex')
    )::text, 'UTF8'))
"""
_SEAL = f"""
    WITH last AS (
        SELECT * FROM ledger_seals ORDER BY number DESC LIMIT 1
    ),
    seal AS (
        SELECT
            coalesce((SELECT number FROM last), 0) + 1 AS number,
            clock_timestamp() AS sealed_at,
            greatest(
                clock_timestamp(),
                (SELECT posted_until FROM last),
                (SELECT max(posted_at) FROM mentor_payable_ledgers)
            ) AS posted_until,
            count(*) AS entries,
            sha256(coalesce(string_agg(digest, ''::bytea ORDER BY entry_id), '')) AS entries_hash,
            coalesce((SELECT hash FROM last), '') AS previous_hash
        FROM sealed_ledger_entries
        WHERE seal = coalesce((SELECT number FROM last), 0) + 1
    )
    INSERT INTO ledger_seals
        (number, sealed_at, posted_until, entries, entries_hash, previous_hash, hash)
    SELECT number, sealed_at, posted_until, entries, entries_hash, previous_hash, {HASH}
    FROM seal
    RETURNING number, sealed_at, posted_until, entries, encode(hash, 'hex') AS hash
"""  # noqa: S608 - put together from constants


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal that was made: `entries` were added to those of the seals before."""

    number: int
    sealed_at: datetime
    posted_until: datetime
    entries: int
    hash: str

    @property
    def head(self) -> str:
        """What to keep outside of the database: whoever changes the chain changes this."""
        return f"{self.number}:{self.hash}"


def seal(connection: psycopg.Connection[Any]) -> Seal:
    """Seal all that is posted; return the seal. `connection`: the owner's, in no transaction.

    Posting waits meanwhile for at most about two seconds, however much there is to seal. Raises
    ProblemError where a transaction that has posted stays open too long.
    """
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        raise ValueError("a seal is made in a transaction of its own, so that its lock is short")
    for attempt in range(1, _TRIES + 1):
        try:
            return _seal(connection)
        except psycopg.errors.LockNotAvailable as error:
            if attempt == _TRIES:
                raise ProblemError(
                    "The ledger was not sealed: a transaction that posts to it has been open for "
                    "too long. Find it in pg_stat_activity and end it; the next `outbox maintain` "
                    "seals."
                ) from error
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError


def _seal(connection: psycopg.Connection[Any]) -> Seal:
    with connection.transaction():
        connection.execute(_SETTINGS)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SEAL_LOCK])
        # Most of the work, beside whoever posts; then, for a moment alone, what came meanwhile.
        connection.execute(_LIST)
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{_LOCK_SECONDS}s"])
        connection.execute(_LOCK)
        connection.execute(_LIST)
        with connection.cursor(row_factory=class_row(Seal)) as cursor:
            made = cursor.execute(_SEAL).fetchone()
    if made is None:
        raise TypeError("INSERT … RETURNING gave no row")
    return made
