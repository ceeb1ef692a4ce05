"""Evidence of a run that never was: one in which everything went right."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tests.faults.bills import expected_bills
from tests.faults.evidence import Evidence, digest
from tests.faults.lane import resolved
from tests.faults.rules import instant
from tests.faults.site import END
from tests.faults.workload import prices, transactions

LANE = "short0"
PARTITION = 0
LOST_AT, REPAIR_AT = 21.0, 28.0
"""The position is lost in between: what is committed then comes only afterwards."""


def clean_evidence() -> Evidence:
    """Return evidence without a fault in it: a plan carried out, delivered, billed."""
    evidence = Evidence(":memory:")
    _write_events(evidence)
    evidence.insert(
        "prices",
        [
            (mentor, code, amount, currency, instant(at))
            for mentor, code, amount, currency, at in prices()
        ],
    )
    _write_bills(evidence)
    _write_faults(evidence)
    return evidence


def _write_faults(evidence: Evidence) -> None:
    """A kill, a loss with its repair, and the end of the run; looked at each second."""
    end = float(evidence.one("SELECT max(ended_at) FROM journal"))
    events = evidence.one("SELECT count(*) FROM journal WHERE outcome = 'committed'")
    faults: list[tuple[Any, ...]] = [
        (
            *(1, "worker: SIGKILL", "worker", 0, 10, 10, 12, 12, 14, 15),
            *("", 0, None, None, 0, 1, None),
        ),
        (
            *(2, "loss: slot", "loss", 1, 20, LOST_AT, REPAIR_AT, 30, 32, 33),
            *("", 0, "said", None, 1, 1, None),
        ),
        (
            *(3, END, END, 0, end, end, end, end, end + 2, end + 1),
            *("", 0, None, None, 0, None, None),
        ),
    ]
    evidence.insert("faults", faults)
    evidence.insert("lanes", [(LANE, events / end, 0.0, end)])
    evidence.insert(
        "samples",
        [
            (at, at + 0.2, "connect" if 20 < at < 31 or at == 11 else "", 0, 0, 0.1, "reserved")
            for at in range(int(end) + 2)
        ],
    )


def _write_events(evidence: Evidence) -> None:
    labels: dict[str, str] = {}
    position = 0
    for number, transaction in enumerate(transactions(7, LANE, 0)):
        outcome = "committed" if transaction.commits else "rolled back"
        own = dict(labels)
        for place, event in enumerate(transaction.events):
            event_id = str(uuid.UUID(int=(number << 16) + place))
            kind, key, event_type = event.aggregate_type, event.aggregate_id, event.event_type
            payload = resolved(event.payload, own)
            own |= {event.label: event_id} if event.label else {}
            what = (kind, key, event_type)
            row: tuple[Any, ...] = (event_id, LANE, place, *what, json.dumps(payload))
            times = (float(number), number + 0.5)
            evidence.insert("journal", [(*row, digest(payload), *times, outcome)])
            if not transaction.commits:
                continue
            labels = own
            evidence.insert("domain_events", [(event_id, *what, digest(payload))])
            at = (f"events.{kind}", PARTITION, position)
            read_at = REPAIR_AT + 0.5 if LOST_AT <= number <= REPAIR_AT else number + 0.6
            delivery = (*at, event_id, key, event_type, digest(payload), 0, read_at)
            evidence.insert("deliveries", [delivery])
            evidence.insert("receipts", [(event_id, *at)])
            position += 1


def _write_bills(evidence: Evidence) -> None:
    expected, price_list = expected_bills(evidence)
    complaints = set(expected.complaints)
    for bill in expected.bills.values():
        price = price_list.price(bill)
        if price is None:
            complaints.add(("price_missing", bill.subject, bill.source_event_id))
            continue
        amount_minor, currency, effective_from = price
        of_session = bill.kind == "session"
        entry_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{bill.kind}/{bill.subject}"))
        evidence.insert(
            "ledger",
            [
                (
                    entry_id,
                    bill.kind,
                    bill.mentor_id,
                    bill.contract_id,
                    bill.student_id,
                    bill.subject if of_session else None,
                    None if of_session else bill.subject,
                    amount_minor,
                    currency,
                    effective_from,
                    bill.occurred_at,
                    bill.source_event_id,
                    None,
                    json.dumps(bill.session_ids),
                    f"row of {bill.subject}",
                )
            ],
        )
        evidence.insert("ledger_seen", [(entry_id, f"row of {bill.subject}")])
    for number, (reason, subject, event_id) in enumerate(sorted(complaints)):
        evidence.insert("exceptions", [(str(number), reason, "failed", subject, event_id)])
