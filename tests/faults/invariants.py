"""The invariants, a function each: evidence in, violations out, each a sentence.

They read nothing but the evidence, and share nothing with the code they judge.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tests.faults.bills import bills_are_exact, expected_bills, sums_are_exact
from tests.faults.completeness import (
    every_fault_was_carried_out,
    the_application_wrote,
    the_run_was_watched,
)
from tests.faults.monitor import MISSING
from tests.faults.recovery import (
    BLIND_SECONDS_MAX,
    backlogs_go_soon,
    backlogs_were_red,
    long_faults_were_red,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.evidence import Evidence

SENTENCES_MAX = 20
NOTICED_SECONDS = 15.0
"""What was committed so shortly before a loss may have been lost with it."""

SENT_AGAIN_ONLY = """
    SELECT id, aggregate_type, aggregate_id FROM journal AS j
    WHERE outcome = 'committed'
    AND id IN (SELECT id FROM deliveries GROUP BY id HAVING min(replayed) = 1)
    AND NOT EXISTS (
        SELECT 1 FROM faults AS f WHERE f.fault_group = 'loss'
        AND j.ended_at >= f.begun_at - ? AND j.begun_at <= f.ended_at)
"""
# A transaction that was open when its place was lost may have written before; one that its lane
# began later, after another, has not.
DELIVERED_UNREPAIRED = """
    SELECT f.number, f.kind, count(DISTINCT j.id), min(j.id) FROM faults AS f
    JOIN journal AS j ON j.outcome = 'committed' AND j.begun_at BETWEEN f.struck_at AND f.repair_at
    JOIN deliveries AS d ON d.id = j.id AND d.read_at < f.repair_at AND NOT d.replayed
    WHERE f.stands_still AND EXISTS (
        SELECT 1 FROM journal AS before WHERE before.lane = j.lane
        AND before.ended_at >= f.struck_at AND before.ended_at < j.begun_at)
    GROUP BY f.number
"""


def every_committed_event_reaches_kafka(evidence: Evidence) -> Iterator[str]:
    """I1: with its own id, key, type and content, in the topic of its aggregate."""
    for event_id, kind, aggregate_id in evidence.rows(
        "SELECT id, aggregate_type, aggregate_id FROM journal WHERE outcome = 'committed' "
        "AND id NOT IN (SELECT id FROM deliveries)"
    ):
        yield f"event {event_id} of {kind} {aggregate_id} was committed and is not in Kafka"
    for event_id, kind, aggregate_id in evidence.rows(
        "SELECT id, aggregate_type, aggregate_id FROM journal WHERE outcome = 'committed' "
        "AND id NOT IN (SELECT id FROM domain_events)"
    ):
        yield f"event {event_id} of {kind} {aggregate_id} was committed and is not in domain_events"
    for event_id, topic, partition, position in evidence.rows(
        "SELECT d.id, d.topic, d.partition, d.position FROM deliveries AS d "
        "JOIN journal AS j ON j.id = d.id AND j.outcome = 'committed' "
        "WHERE d.topic <> 'events.' || j.aggregate_type OR d.key IS NOT j.aggregate_id "
        "OR d.event_type <> j.event_type OR d.digest <> j.digest"
    ):
        yield f"event {event_id} lies at {topic}[{partition}]@{position} as another than it was"
    for event_id, kind, aggregate_id in evidence.rows(SENT_AGAIN_ONLY, NOTICED_SECONDS):
        yield (
            f"event {event_id} of {kind} {aggregate_id} came only because somebody sent it again, "
            "and no position was lost"
        )


def everything_payable_is_billed_once_and_exactly(evidence: Evidence) -> Iterator[str]:
    """I2: each payable session and package has one entry, and each mentor's sum is right."""
    expected, prices = expected_bills(evidence)
    yield from bills_are_exact(evidence, expected, prices)
    yield from sums_are_exact(evidence, expected, prices)


FIRST_DELIVERIES = """
    SELECT topic, partition, min(position) AS position, id FROM (
        SELECT topic, partition, position, id FROM deliveries
        UNION ALL SELECT topic, partition, position, id FROM receipts
    ) GROUP BY topic, partition, id
"""
IN_ORDER_OF_DELIVERY = f"""
    SELECT j.aggregate_type || ' ' || j.aggregate_id, j.id, j.begun_at, j.ended_at, j.lane, j.place,
           f.partition
    FROM journal AS j JOIN ({FIRST_DELIVERIES}) AS f ON f.id = j.id
    WHERE j.outcome = 'committed'
    ORDER BY j.aggregate_type, j.aggregate_id, f.position
"""


def first_deliveries_keep_commit_order(evidence: Evidence) -> Iterator[str]:
    """I3: per aggregate. Which of two transactions that overlapped was first, nobody can say."""
    aggregate, partition = None, None
    # Of those delivered so far: whichever began its COMMIT last.
    latest: tuple[float, float, int, str] | None = None
    for subject, event_id, begun_at, ended_at, _, place, part in evidence.rows(
        IN_ORDER_OF_DELIVERY
    ):
        if subject != aggregate:
            aggregate, partition, latest = subject, part, None
        if part != partition:
            yield f"events of {subject} lie in partitions {partition} and {part}: {event_id}"
        if latest is not None:
            last_begun_at, last_ended_at, last_place, last_id = latest
            same = (begun_at, ended_at) == (last_begun_at, last_ended_at)
            if ended_at < last_begun_at or (same and place < last_place):
                yield (
                    f"{subject}: event {event_id} was committed before event {last_id}, and "
                    "delivered after it"
                )
        if latest is None or (begun_at, place) > (latest[0], latest[2]):
            latest = (begun_at, ended_at, place, event_id)


SIGHTINGS = """
    SELECT id, 'in Kafka at ' || topic || '[' || partition || ']@' || position FROM deliveries
    WHERE length(id) = 36 -- a poison record may have none, or none that is one
    UNION ALL SELECT id, 'among the receipts' FROM receipts
    UNION ALL SELECT id, 'in domain_events' FROM domain_events
    UNION ALL SELECT source_event_id, 'in the ledger, of entry ' || id FROM ledger
"""


def nothing_of_a_rolled_back_transaction_is_anywhere(evidence: Evidence) -> Iterator[str]:
    """I4: and nothing that the application never wrote."""
    for event_id, place, outcome in evidence.rows(
        f"WITH seen (id, place) AS ({SIGHTINGS}) "
        "SELECT seen.id, seen.place, journal.outcome FROM seen "
        "LEFT JOIN journal ON journal.id = seen.id "
        "WHERE coalesce(journal.outcome, '') <> 'committed' "
        "AND seen.id NOT IN (SELECT id FROM strangers)"
    ):
        known = f"its transaction was {outcome}" if outcome else "nobody wrote it"
        yield f"event {event_id} is {place}, but {known}"


def ledger_rows_never_change(evidence: Evidence) -> Iterator[str]:
    """I5: what was seen once stands at the end as it was first seen."""
    for (entry_id,) in evidence.rows(
        "SELECT id FROM ledger_seen WHERE id NOT IN (SELECT id FROM ledger)"
    ):
        yield f"ledger entry {entry_id} was seen during the run and is gone"
    for entry_id, before, after in evidence.rows(
        "SELECT s.id, s.content, l.content FROM ledger_seen AS s JOIN ledger AS l ON l.id = s.id "
        "WHERE s.content <> l.content"
    ):
        yield f"ledger entry {entry_id} changed from {before} to {after}"


def the_backlog_goes_soon_and_the_status_was_red(evidence: Evidence) -> Iterator[str]:
    """I6: everything committed until a fault is over is through within a minute; meanwhile: red."""
    yield from backlogs_go_soon(evidence)
    yield from long_faults_were_red(evidence)
    yield from backlogs_were_red(evidence)


def a_position_that_cannot_be_trusted_is_said_aloud(evidence: Evidence) -> Iterator[str]:
    """I7: instead of going on. A loss says so by a message, a lost slot is red in the status."""
    for number, kind in evidence.rows(
        "SELECT number, kind FROM faults WHERE fault_group = 'loss' "
        "AND error IS NULL AND trim(coalesce(loud, '')) = ''"
    ):
        yield f"fault {number}, {kind}: the position was lost, and nobody said so"
    for number, kind, silent in evidence.rows(
        "SELECT number, kind, silent FROM faults WHERE silent IS NOT NULL"
    ):
        yield f"fault {number}, {kind}: the position was lost, and {silent} went on without a word"
    for number, kind, events, event_id in evidence.rows(DELIVERED_UNREPAIRED):
        yield (
            f"fault {number}, {kind}: {events} events written after the loss were delivered "
            f"before the repair, {event_id} for one: somebody made the position anew, and silently"
        )
    lost_since: float | None = None
    told = False
    for at, slot, unhealthy in evidence.rows("SELECT at, slot, unhealthy FROM samples ORDER BY at"):
        if slot not in {MISSING, "lost"}:
            lost_since = None
            continue
        if lost_since is None:
            lost_since, told = at, False
        if unhealthy or told:
            told = True
        elif at - lost_since > BLIND_SECONDS_MAX:
            told = True
            yield f"the slot is {slot} for {at - lost_since:.0f} s, and the status is green"


def the_evidence_is_all_there(evidence: Evidence) -> Iterator[str]:
    """Not an invariant of the product: what did not happen, or was not seen, proves nothing."""
    yield from every_fault_was_carried_out(evidence)
    yield from the_application_wrote(evidence)
    yield from the_run_was_watched(evidence)


INVARIANTS: dict[str, Callable[[Evidence], Iterator[str]]] = {
    "I1": every_committed_event_reaches_kafka,
    "I2": everything_payable_is_billed_once_and_exactly,
    "I3": first_deliveries_keep_commit_order,
    "I4": nothing_of_a_rolled_back_transaction_is_anywhere,
    "I5": ledger_rows_never_change,
    "I6": the_backlog_goes_soon_and_the_status_was_red,
    "I7": a_position_that_cannot_be_trusted_is_said_aloud,
    "faults": the_evidence_is_all_there,
}


def check(evidence: Evidence) -> dict[str, list[str]]:
    """Return the violations of each invariant, the first few of each."""
    return {
        name: list(islice(checker(evidence), SENTENCES_MAX)) for name, checker in INVARIANTS.items()
    }
