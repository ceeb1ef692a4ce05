"""Each checker is silent about a run that went right, and speaks when one thing is made wrong."""

from collections.abc import Iterator

import pytest

from tests.faults.evidence import Evidence, digest, digest_of_text
from tests.faults.invariants import INVARIANTS, check
from tests.faults.made_evidence import clean_evidence

SINGLE = "kind = 'session' AND session_id NOT IN (SELECT subject FROM exceptions)"
ANY_BILL = f"id = (SELECT min(id) FROM ledger WHERE {SINGLE})"
ANY_PACKAGE = (
    "id = (SELECT min(id) FROM ledger WHERE kind = 'package' AND service_package_id NOT IN "
    "(SELECT subject FROM exceptions) AND json_array_length(session_ids) > 1)"
)
COPY_OF_BILL = (
    "INSERT INTO ledger SELECT 'second', kind, mentor_id, contract_id, student_id, session_id, "
    "service_package_id, amount_minor, currency, price_effective_from, occurred_at, "
    f"source_event_id, reverses, session_ids, content FROM ledger WHERE {ANY_BILL}"
)
# Two events of one session, in transactions of their own, the second after the first.
PAIR = """
    SELECT a.id AS first, b.id AS second
    FROM journal AS a JOIN journal AS b USING (aggregate_type, aggregate_id)
    WHERE a.outcome = 'committed' AND b.outcome = 'committed' AND a.ended_at < b.begun_at LIMIT 1
"""
SIBLINGS = """
    SELECT a.id AS first, b.id AS second
    FROM journal AS a JOIN journal AS b USING (aggregate_type, aggregate_id)
    WHERE a.outcome = 'committed' AND a.begun_at = b.begun_at AND a.place < b.place LIMIT 1
"""
ANY_ROLLED_BACK = "(SELECT min(id) FROM journal WHERE outcome = 'rolled back')"

PLANTED = {
    "I1 an event that is not in Kafka": (
        "DELETE FROM deliveries WHERE id = (SELECT max(id) FROM deliveries)"
    ),
    "I1 an event that is no longer in the database": (
        "DELETE FROM domain_events WHERE id = (SELECT max(id) FROM domain_events)"
    ),
    "I1 an event with another content": "UPDATE deliveries SET digest = '' WHERE position = 5",
    "I1 an event with another key": "UPDATE deliveries SET key = 'else' WHERE position = 5",
    "I1 an event of another type": "UPDATE deliveries SET event_type = 'x' WHERE position = 5",
    "I1 an event in another topic": "UPDATE deliveries SET topic = 'events.x' WHERE position = 5",
    "I2 a bill that is missing": f"DELETE FROM ledger WHERE {ANY_BILL}",
    "I2 a package's bill that is missing": f"DELETE FROM ledger WHERE {ANY_PACKAGE}",
    "I2 a bill that is there twice": COPY_OF_BILL,
    "I2 a bill for what is not payable": f"UPDATE ledger SET session_id = 'x' WHERE {ANY_BILL}",
    "I2 a bill of another amount": (
        f"UPDATE ledger SET amount_minor = amount_minor + 1 WHERE {ANY_BILL}"
    ),
    "I2 a bill for another mentor": f"UPDATE ledger SET mentor_id = 'x' WHERE {ANY_BILL}",
    "I2 a bill in another currency": f"UPDATE ledger SET currency = 'XXX' WHERE {ANY_BILL}",
    "I2 a bill at another price": (
        f"UPDATE ledger SET price_effective_from = '2019' WHERE {ANY_BILL}"
    ),
    "I2 a bill of another time": f"UPDATE ledger SET occurred_at = '2019' WHERE {ANY_BILL}",
    "I2 a bill because of another event": (
        f"UPDATE ledger SET source_event_id = 'x' WHERE {ANY_PACKAGE}"
    ),
    "I2 a package with another member": (
        f'UPDATE ledger SET session_ids = \'["x", "y"]\' WHERE {ANY_PACKAGE}'
    ),
    "I2 a session that is paid twice": (
        "UPDATE ledger SET session_ids = (SELECT json_array(session_id) FROM ledger "
        f"WHERE {ANY_BILL}) WHERE {ANY_PACKAGE}"
    ),
    "I2 a reversal that nobody made": f"UPDATE ledger SET kind = 'reversal' WHERE {ANY_BILL}",
    "I2 an exception that nothing calls for": (
        "INSERT INTO exceptions VALUES ('x', 'timeout', 'failed', 'x', NULL)"
    ),
    "I2 a ledger conflict where nothing contradicts": (
        "INSERT INTO exceptions SELECT 'x', 'ledger_conflict', 'failed', session_id, NULL "
        f"FROM ledger WHERE {ANY_BILL}"
    ),
    "I2 an event of the application that was taken for poison": (
        "INSERT INTO exceptions SELECT 'x', 'undecodable', 'failed', "
        "topic || '[' || partition || ']@' || position, NULL FROM deliveries WHERE position = 5"
    ),
    "I2 a contradiction that nobody is told of": (
        "DELETE FROM exceptions WHERE reason = 'session_conflict'"
    ),
    "I2 a missing price that nobody is told of": (
        "DELETE FROM exceptions WHERE reason = 'price_missing'"
    ),
    "I2 a price that was set, and the bill not posted": (
        "INSERT INTO prices SELECT 'mentor-without-price', price_code, 1, 'USD', '2000' "
        "FROM prices GROUP BY price_code"
    ),
    "I3 an aggregate in two partitions": (
        f"UPDATE deliveries SET partition = 1 WHERE id = (SELECT first FROM ({PAIR}))"
    ),
    "I4 a rolled-back event in Kafka": (
        f"UPDATE deliveries SET id = {ANY_ROLLED_BACK} WHERE position = 5"
    ),
    "I4 a rolled-back event among the receipts": (
        f"INSERT INTO receipts VALUES ({ANY_ROLLED_BACK}, 'events.user', 0, 0)"
    ),
    "I4 a rolled-back event in the database": (
        f"INSERT INTO domain_events VALUES ({ANY_ROLLED_BACK}, 'user', 'u', 'user.signup', '')"
    ),
    "I4 a rolled-back event in the ledger": (
        f"UPDATE ledger SET source_event_id = {ANY_ROLLED_BACK} WHERE {ANY_BILL}"
    ),
    "I4 an event that nobody wrote": (
        "UPDATE deliveries SET id = '00000000-0000-4000-8000-000000000000' WHERE position = 5"
    ),
    "I5 a ledger row that changed": f"UPDATE ledger SET content = 'x' WHERE {ANY_BILL}",
    "I5 a ledger row that is gone": f"DELETE FROM ledger WHERE {ANY_BILL}",
    "I6 a backlog that went late": "UPDATE faults SET recovered_at = ended_at + 61",
    "I6 a backlog that never went": "UPDATE faults SET recovered_at = NULL",
    "I6 a status that is never green again": "UPDATE faults SET green_at = NULL",
    "I6 a status that was green all the while": "UPDATE samples SET unhealthy = ''",
    "I7 a lost position that nobody speaks of": "UPDATE faults SET loud = NULL",
    "I7 a lost position with nothing said of it": "UPDATE faults SET loud = ' '",
    "I7 a slot that is missing while the status is green": (
        "UPDATE samples SET slot = 'missing', unhealthy = ''"
    ),
    "I7 a slot that is lost while the status is green": (
        "UPDATE samples SET slot = 'lost', unhealthy = ''"
    ),
    "faults a fault that did not happen": "UPDATE faults SET error = 'NeverHitError'",
}


@pytest.fixture(scope="module")
def clean() -> Iterator[Evidence]:
    evidence = clean_evidence()
    yield evidence
    evidence.close()


@pytest.fixture
def evidence(clean: Evidence) -> Iterator[Evidence]:
    copy = clean.copy()
    yield copy
    copy.close()


def test_a_run_that_went_right_violates_nothing(clean: Evidence) -> None:
    assert {name: sentences for name, sentences in check(clean).items() if sentences} == {}
    assert clean.one("SELECT count(*) FROM ledger") > 100
    assert clean.one("SELECT count(*) FROM exceptions") > 10


@pytest.mark.parametrize(("planted", "statement"), PLANTED.items(), ids=PLANTED.keys())
def test_what_was_planted_is_found(evidence: Evidence, planted: str, statement: str) -> None:
    assert evidence.change(statement) > 0, "nothing was planted"
    assert list(INVARIANTS[planted.split(maxsplit=1)[0]](evidence)) != []


def test_every_invariant_was_planted_a_violation_of() -> None:
    assert {planted.split()[0] for planted in PLANTED} >= INVARIANTS.keys()


@pytest.mark.parametrize("query", [PAIR, SIBLINGS], ids=["transactions", "one transaction"])
def test_two_events_of_an_aggregate_that_changed_places_are_found(
    evidence: Evidence, query: str
) -> None:
    ((first, second),) = evidence.rows(query)
    _swap(evidence, first, second)
    (sentence,) = INVARIANTS["I3"](evidence)
    assert first in sentence
    assert second in sentence


def test_of_transactions_that_overlapped_either_may_come_first(evidence: Evidence) -> None:
    ((first, second),) = evidence.rows(PAIR)
    begun_at = evidence.one("SELECT begun_at FROM journal WHERE id = ?", second)
    evidence.change("UPDATE journal SET ended_at = ? WHERE id = ?", begun_at + 0.1, first)
    _swap(evidence, first, second)
    assert list(INVARIANTS["I3"](evidence)) == []


def test_a_second_delivery_out_of_order_is_none(evidence: Evidence) -> None:
    ((first, _),) = evidence.rows(PAIR)
    assert evidence.change(
        "INSERT INTO deliveries SELECT topic, partition, 999999, id, key, event_type, digest, 1 "
        "FROM deliveries WHERE id = ?",
        first,
    )
    assert {name: sentences for name, sentences in check(evidence).items() if sentences} == {}


def test_a_worker_without_its_state_may_take_longer(evidence: Evidence) -> None:
    evidence.change("UPDATE faults SET recovered_at = ended_at + 61, exempt = 1")
    assert list(INVARIANTS["I6"](evidence)) == []


def test_a_contested_subject_may_be_billed_otherwise_only_if_somebody_is_told(
    evidence: Evidence,
) -> None:
    subject = evidence.one(
        "SELECT service_package_id FROM ledger WHERE service_package_id IN "
        "(SELECT subject FROM exceptions WHERE reason = 'package_exceeded')"
    )
    evidence.change("UPDATE ledger SET mentor_id = 'x' WHERE service_package_id = ?", subject)
    assert list(INVARIANTS["I2"](evidence)) != []
    evidence.change(
        "INSERT INTO exceptions VALUES ('x', 'ledger_conflict', 'failed', ?, NULL)", subject
    )
    assert list(INVARIANTS["I2"](evidence)) == []


def _swap(evidence: Evidence, first: str, second: str) -> None:
    for table in ("deliveries", "receipts"):
        evidence.change(
            f"UPDATE {table} SET id = CASE id WHEN ? THEN ? ELSE ? END WHERE id IN (?, ?)",
            *(first, second, first, first, second),
        )


@pytest.mark.parametrize("poison", [b"", b"\xff", b"[" * 100_000, b"not JSON"])
def test_what_is_no_json_has_a_digest_that_no_payload_has(poison: bytes) -> None:
    assert digest_of_text(poison) == "no JSON"
    assert digest_of_text(b'{"b": 1, "a": "x"}') == digest({"a": "x", "b": 1}) != "no JSON"
