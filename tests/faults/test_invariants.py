"""Each checker is silent about a run that went right, and speaks when one thing is made wrong."""

from collections.abc import Iterator

import pytest

from tests.faults.evidence import Evidence, digest, digest_of_text
from tests.faults.invariants import INVARIANTS, check
from tests.faults.made_evidence import LOST_AT, REPAIR_AT, clean_evidence
from tests.faults.planted import PLANTED, PLANTED_AND_SAID

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


@pytest.mark.parametrize(
    ("planted", "statement", "said"),
    [(planted, *rest) for planted, rest in PLANTED_AND_SAID.items()],
    ids=PLANTED_AND_SAID.keys(),
)
def test_what_was_planted_is_said(
    evidence: Evidence, planted: str, statement: str, said: str
) -> None:
    assert evidence.change(statement) > 0, "nothing was planted"
    sentences = list(INVARIANTS[planted.split(maxsplit=1)[0]](evidence))
    assert any(said in sentence for sentence in sentences), sentences


def test_every_invariant_was_planted_a_violation_of() -> None:
    planted = {name.split()[0] for name in (*PLANTED, *PLANTED_AND_SAID)}
    assert planted == INVARIANTS.keys()


def test_evidence_of_nothing_proves_nothing() -> None:
    nothing = Evidence(":memory:")
    assert list(INVARIANTS["faults"](nothing)) != []
    nothing.close()


def test_what_a_loss_took_may_come_by_a_replay_alone(evidence: Evidence) -> None:
    assert evidence.change(
        "UPDATE deliveries SET replayed = 1, read_at = 40 WHERE id IN (SELECT id FROM journal "
        "WHERE begun_at BETWEEN ? AND ?)",
        *(LOST_AT - 10, REPAIR_AT),
    )
    assert list(INVARIANTS["I1"](evidence)) == []


def test_what_a_transaction_wrote_before_the_loss_may_come_after_it(evidence: Evidence) -> None:
    assert evidence.change(
        "UPDATE deliveries SET read_at = ? WHERE id IN (SELECT id FROM journal WHERE begun_at = ?)",
        *(LOST_AT + 1, LOST_AT),
    )
    assert list(INVARIANTS["I7"](evidence)) == []


def test_a_backlog_that_the_status_tells_of_is_none_that_it_hides(evidence: Evidence) -> None:
    assert evidence.change("UPDATE samples SET oldest_seconds = 60 WHERE at BETWEEN 100 AND 140")
    evidence.change("UPDATE samples SET unhealthy = 'connector-keeper' WHERE at IN (112, 125)")
    assert list(INVARIANTS["I6"](evidence)) == []


def test_a_slow_pipeline_is_no_backlog_that_the_status_hides(evidence: Evidence) -> None:
    assert evidence.change("UPDATE samples SET oldest_seconds = 7 WHERE at BETWEEN 100 AND 140")
    assert list(INVARIANTS["I6"](evidence)) == []


def test_a_record_that_cannot_be_read_is_expected_where_it_was_put(evidence: Evidence) -> None:
    statement, _ = PLANTED_AND_SAID["I2 a record that cannot be read, and that nobody put there"]
    evidence.change(statement)
    evidence.change("INSERT INTO poison VALUES ('billing.payables[0]@7')")
    assert list(INVARIANTS["I2"](evidence)) == []


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
        "INSERT INTO deliveries SELECT topic, partition, 999999, id, key, event_type, digest, 1, "
        "read_at FROM deliveries WHERE id = ?",
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
