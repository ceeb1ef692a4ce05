from itertools import permutations

import pytest

from schemas.records import (
    CompletedFact,
    EvaluatedFact,
    SessionCompleted,
    SessionEvaluated,
    SessionVoided,
    VoidedFact,
)
from stream_processors.billing.exceptions import conflict_report, differences
from stream_processors.billing.facts import (
    Fact,
    fact_of,
    gather,
    gather_by_session,
    package_fact_key,
    session_fact_key,
    subject_prefix,
)
from stream_processors.billing.payables import ledger_id
from tests.unit.billing_records import NOON, completed, evaluated, event_id, voided


def test_a_completed_event_becomes_a_fact_without_what_is_not_billed_by() -> None:
    event = SessionCompleted(
        "session-1", "contract-1", "mentor-1", "student-1", "single",
        required_evaluation=True, completed_at=NOON, service_package_id="package-1",
        package_code="course", package_total_sessions=10, duration_minutes=55.5,
    )  # fmt: skip

    assert fact_of(event, "e-1") == CompletedFact(
        "e-1", "session-1", "contract-1", "mentor-1", "student-1", "single",
        required_evaluation=True, completed_at=NOON, service_package_id="package-1",
        package_code="course", package_total_sessions=10,
    )  # fmt: skip


def test_an_evaluated_event_becomes_a_fact() -> None:
    event = SessionEvaluated("session-1", NOON, rating=5.0)

    assert fact_of(event, "e-1") == EvaluatedFact("e-1", "session-1", NOON)


def test_a_voided_event_becomes_a_fact_about_the_event_that_it_names() -> None:
    event = SessionVoided("session-1", event_id="e-1", reason="entered twice")

    assert fact_of(event, "e-9") == VoidedFact("e-9", "session-1", "e-1", "entered twice")


def test_the_key_of_a_fact_is_subject_kind_and_event() -> None:
    fact = EvaluatedFact("e-1", "session-1", NOON)

    assert session_fact_key(fact) == b"session-1\0evaluated\0e-1"
    assert package_fact_key("package-1", fact) == b"package-1\0session-1\0evaluated\0e-1"


def test_no_two_facts_share_a_key() -> None:
    facts: list[Fact] = [
        completed(1),
        completed(2),
        completed(1, "session-2"),
        evaluated(1),
        voided(1, 1),
    ]

    assert len({session_fact_key(fact) for fact in facts}) == len(facts)
    assert len({package_fact_key("package-1", fact) for fact in facts}) == len(facts)


def test_no_id_imitates_the_prefix_of_another() -> None:
    assert not session_fact_key(completed(1, "session-10")).startswith(subject_prefix("session-1"))
    assert session_fact_key(completed(1, "sessión")).startswith(subject_prefix("sessión"))


def test_facts_are_gathered_the_same_in_whatever_order_they_come() -> None:
    facts: list[Fact] = [completed(1), completed(4), evaluated(2), evaluated(5), voided(3, 1)]

    assert {gather(order) for order in permutations(facts)} == {gather(facts)}
    assert list(gather(reversed(facts))) == [facts[0], facts[1], facts[2], facts[3], facts[4]]
    assert len(gather(facts)) == 5


def test_facts_of_several_sessions_are_kept_apart() -> None:
    mine, other, void = (
        completed(1, "session-1"),
        completed(2, "session-2"),
        voided(3, 2, "session-2"),
    )

    assert gather_by_session([void, other, mine]) == {
        "session-1": gather([mine]),
        "session-2": gather([other, void]),
    }


def test_ledger_ids_never_change() -> None:
    """Pinned: another id would bill every session of the past a second time."""
    assert ledger_id("session", "session-1") == "e853806a-84ff-50e1-a61b-5c765a09e1d5"
    assert ledger_id("package", "package-1") == "1fb3e829-e583-5670-9741-1013f27f91a1"


def test_a_session_and_a_package_of_one_name_have_ids_of_their_own() -> None:
    assert ledger_id("session", "x") != ledger_id("package", "x")


def test_differences_are_named() -> None:
    one, other = completed(1), completed(2, mentor_id="mentor-2", session_type="double")

    assert differences(one, other, ("session_type", "contract_id", "mentor_id")) == [
        "session_type",
        "mentor_id",
    ]


def test_a_report_refuses_what_has_no_json_form() -> None:
    fact = completed(1, mentor_id=b"mentor-1")

    with pytest.raises(TypeError, match="b'mentor-1' has no JSON form"):
        conflict_report("session_conflict", "session-1", fact, standing=True, basis=1, error="")


def test_a_report_names_its_event() -> None:
    report = conflict_report(
        "session_conflict", "session-1", completed(7), standing=False, basis=3, error="fine"
    )

    assert (report.source_event_id, report.standing, report.basis) == (event_id(7), False, 3)
