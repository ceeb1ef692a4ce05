"""Whether the evidence is all there: what never happened, and what nobody saw, proves nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tests.faults.site import END

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.evidence import Evidence

RATE_SHARE_MIN = 0.5
UNSAMPLED_SECONDS_MAX = 30.0
UNSEEN_SECONDS_MAX = 60.0
"""So late before the end of a run may an entry come that only the last look at the ledger finds."""

LANES_AFTER_THE_LAST_FAULT = """
    SELECT name, (SELECT max(ended_at) FROM journal WHERE lane = name AND outcome = 'committed')
    FROM lanes
"""
ENTRIES_UNSEEN = """
    SELECT ledger.id FROM ledger LEFT JOIN journal ON journal.id = ledger.source_event_id
    WHERE ledger.id NOT IN (SELECT id FROM ledger_seen)
    AND coalesce(journal.ended_at, 0) < (SELECT max(at) FROM samples) - ?
"""


def every_fault_was_carried_out(evidence: Evidence) -> Iterator[str]:
    """One that did not happen proves nothing, and neither does a run without any."""
    for number, kind, error in evidence.rows(
        "SELECT number, kind, error FROM faults WHERE error IS NOT NULL"
    ):
        yield f"fault {number}, {kind}, failed: {error}"
    if not evidence.one("SELECT count(*) FROM faults WHERE fault_group <> ?", END):
        yield "there was no fault at all"
    if not evidence.one("SELECT count(*) FROM faults WHERE fault_group = ?", END):
        yield "the end of the run was not waited for"


def the_application_wrote(evidence: Evidence) -> Iterator[str]:
    """Each lane to the end, and all together at no less than half the rate that was ordered."""
    for (what,) in evidence.rows("SELECT what FROM failures"):
        yield what
    last_fault_at = evidence.one("SELECT max(begun_at) FROM faults WHERE fault_group <> ?", END)
    for name, last_commit_at in evidence.rows(LANES_AFTER_THE_LAST_FAULT):
        if (last_commit_at or 0.0) <= (last_fault_at or 0.0):
            yield f"lane {name} committed nothing after the last fault began"
    ordered = evidence.one("SELECT sum(events_per_second * (ended_at - begun_at)) FROM lanes")
    written = evidence.one(
        "SELECT count(*) FROM journal WHERE outcome = 'committed' "
        "AND lane IN (SELECT name FROM lanes)"
    )
    if not ordered or written < RATE_SHARE_MIN * ordered:
        yield f"{written} events were committed, where {ordered or 0:.0f} were ordered"


def the_run_was_watched(evidence: Evidence) -> Iterator[str]:
    """The status all the time, the ledger entry by entry."""
    begun_at, ended_at = next(evidence.rows("SELECT min(begun_at), max(ended_at) FROM lanes"))
    if begun_at is not None:
        looks = [at for (at,) in evidence.rows("SELECT at FROM samples ORDER BY at")]
        inside = [at for at in looks if begun_at < at < ended_at]
        for before, after in pairwise([begun_at, *inside, ended_at]):
            if after - before > UNSAMPLED_SECONDS_MAX:
                yield f"nobody looked at the status for {after - before:.0f} s"
    for (entry_id,) in evidence.rows(ENTRIES_UNSEEN, UNSEEN_SECONDS_MAX):
        yield f"ledger entry {entry_id} was never seen during the run"
