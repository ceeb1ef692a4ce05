"""Compares the ledger with its seals: what was altered, removed or slipped in below one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from operations.ledger.sealing import DIGEST

_VERIFY = DIGEST + (Path(__file__).parent / "verify.sql").read_text(encoding="utf-8")
_SUMMARY = """
    SELECT
        (SELECT count(*) FROM ledger_seals) AS seals,
        (SELECT count(*) FROM sealed_ledger_entries) AS sealed,
        (SELECT count(*) FROM mentor_payable_ledgers AS entry
         WHERE NOT EXISTS (SELECT FROM sealed_ledger_entries WHERE entry_id = entry.id))
            AS unsealed,
        last.sealed_at,
        last.number || ':' || encode(last.hash, 'hex') AS head
    FROM (VALUES (1)) AS one (row)
    LEFT JOIN LATERAL (
        SELECT * FROM ledger_seals ORDER BY number DESC LIMIT 1
    ) AS last ON true
"""
_HEAD = "SELECT encode(hash, 'hex') FROM ledger_seals WHERE number = %s"


@dataclass(frozen=True, slots=True)
class Head:
    """A seal as it was noted outside of the database: its number and its hash."""

    number: int
    hash: str

    def __str__(self) -> str:
        """Return it as `verify` prints it."""
        return f"{self.number}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What the seals say of the ledger. `sealed` and `unsealed` count entries."""

    seals: int
    sealed: int
    unsealed: int
    sealed_at: datetime | None
    head: str | None
    findings: Sequence[Mapping[str, Any]]

    @property
    def intact(self) -> bool:
        """Whether every seal holds; a ledger that was never sealed proves nothing."""
        return not self.findings and (self.seals > 0 or self.unsealed == 0)


def verify(connection: psycopg.Connection[Any], expected: Head | None = None) -> Verification:
    """Check the ledger against its seals in one snapshot, and change nothing.

    `expected`: a head that was kept elsewhere, without which whoever may change the seals, too,
    could make the whole chain anew.
    """
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL search_path = pg_catalog, public, pg_temp")
        (summary,) = cursor.execute(_SUMMARY).fetchall()
        findings = cursor.execute(_VERIFY).fetchall()
        if expected is not None:
            head = connection.execute(_HEAD, [expected.number]).fetchone()
            if head != (expected.hash,):
                findings.insert(0, {"finding": "head_differs", "seal": expected.number})
    return Verification(**summary, findings=findings)
