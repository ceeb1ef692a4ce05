from datetime import UTC, datetime, timedelta

from operations.reconcile.comparison import OutcomeCount
from operations.reconcile.report import judged_until, percent, reconciliation, verdict

TODAY = datetime(2026, 3, 1, tzinfo=UTC)


def events(amount: int) -> OutcomeCount:
    return OutcomeCount("events", "read", "", TODAY, amount, [])


def bills(outcome: str, amount: int) -> OutcomeCount:
    return OutcomeCount("bill", outcome, "", TODAY, amount, [])


def offenders(outcome: str, amount: int) -> OutcomeCount:
    return OutcomeCount("offender", outcome, "why", TODAY, amount, [{"subject": "s"}])


def test_half_a_percent_lost_is_a_discrepancy_and_more_is_a_reason_to_roll_back() -> None:
    for missing, expected in ((5, "discrepancy"), (6, "roll_back")):
        found = reconciliation(
            [
                bills("billed", 1000 - missing),
                bills("missing", missing),
                offenders("missing", missing),
            ]
        )
        assert found.loss_percent == missing / 10
        assert found.verdict == expected


def test_one_percent_wrong_is_a_discrepancy_and_more_is_a_reason_to_roll_back() -> None:
    for wrong, expected in ((10, "discrepancy"), (11, "roll_back")):
        found = reconciliation(
            [
                bills("billed", 1000 - wrong),
                bills("mismatched", wrong),
                offenders("mismatched", wrong),
            ]
        )
        assert found.error_percent == wrong / 10
        assert found.verdict == expected


def test_one_lost_of_many_millions_is_never_rounded_to_clean() -> None:
    found = reconciliation([bills("billed", 10**9), bills("missing", 1), offenders("missing", 1)])
    assert found.verdict == "discrepancy"


def test_an_event_of_a_million_that_was_not_delivered_is_a_discrepancy_however_few_the_bills() -> (
    None
):
    found = reconciliation([events(10**6), bills("billed", 100), offenders("undelivered", 1)])
    assert (found.loss_percent, found.verdict) == (0.0001, "discrepancy")


def test_what_is_lost_is_the_larger_of_the_bills_and_the_events() -> None:
    lost = [bills("missing", 1), offenders("missing", 1), offenders("undelivered", 3)]
    assert reconciliation([events(100), bills("billed", 99), *lost]).loss_percent == 3
    assert reconciliation([events(1000), bills("billed", 99), *lost]).loss_percent == 1


def test_waits_are_no_offence_and_are_named() -> None:
    found = reconciliation(
        [
            bills("in_flight", 2),
            bills("retrying", 1),
            OutcomeCount("not_owed", "in_flight", "", TODAY, 3, []),
            OutcomeCount("waiting", "waiting", "package", TODAY, 4, []),
        ]
    )
    assert found.waiting == 10
    assert found.waiting_for == {"in_flight": 5, "package": 4, "retrying": 1}
    assert (found.expected, found.verdict) == (0, "clean")


def test_a_stage_that_stands_still_is_not_clean_although_nothing_is_missing() -> None:
    found = reconciliation([bills("billed", 1)], warnings=["it stands still"], stands_still=True)
    assert found.stands_still
    assert (found.verdict, found.warnings) == ("discrepancy", ["it stands still"])


def test_what_a_person_decided_is_neither_expected_nor_lost() -> None:
    found = reconciliation([bills("billed", 1), bills("decided", 2)])
    assert (found.expected, found.billed, found.decided, found.verdict) == (1, 1, 2, "clean")


def test_a_bill_that_no_event_calls_for_counts_as_billed_and_wrong() -> None:
    found = reconciliation(
        [OutcomeCount("not_owed", "mismatched", "", TODAY, 1, []), offenders("mismatched", 1)]
    )
    assert (found.billed, found.mismatched, found.error_percent) == (1, 1, 100)


def test_each_detail_names_its_fault_and_what_is_left_out_is_counted() -> None:
    found = reconciliation([offenders("missing", 5)])
    assert found.details == [
        {"day": TODAY.date(), "fault": "missing", "reason": "why", "subject": "s"}
    ]
    assert found.details_left_out == 4


def test_something_of_nothing_is_all_of_it() -> None:
    assert percent(0, 0) == 0
    assert percent(3, 0) == 100
    assert percent(3, 2) == 100
    assert percent(1, 3) == 33.3333


def test_the_thresholds_are_exceeded_only_above_them() -> None:
    assert verdict(0.5, 1.0, fault=True) == "discrepancy"
    assert verdict(0.0, 0.0, fault=False) == "clean"


def test_what_is_on_its_way_or_tried_again_is_not_judged_yet_nor_what_is_younger() -> None:
    now, earlier = TODAY + timedelta(hours=2), TODAY + timedelta(hours=1)
    assert judged_until([bills("billed", 1), offenders("missing", 1)], now) == now
    for outcome in ("in_flight", "retrying"):
        waits = OutcomeCount("bill", outcome, "", earlier, 2, [])
        assert judged_until([bills("billed", 1), waits], now) == earlier
        assert judged_until([waits], TODAY) == TODAY


def test_a_day_begins_at_midnight_utc_wherever_the_server_stands() -> None:
    evening = datetime.fromisoformat("2026-02-28T23:30:00-05:00")
    (day,) = reconciliation([OutcomeCount("events", "read", "", evening, 7, [])]).days
    assert (day.day.isoformat(), day.events) == ("2026-03-01", 7)


def test_each_day_has_its_own_verdict_and_each_offender_its_day() -> None:
    yesterday = TODAY - timedelta(days=1)
    found = reconciliation(
        [
            bills("billed", 1_000),
            OutcomeCount("bill", "billed", "", yesterday, 99, []),
            OutcomeCount("bill", "missing", "", yesterday, 1, []),
            OutcomeCount("offender", "missing", "", yesterday, 1, [{"subject": "lost"}]),
            OutcomeCount("bill", "failed", "", TODAY, 1, []),
            OutcomeCount("offender", "failed", "", TODAY, 1, [{"subject": "stuck"}]),
        ]
    )
    assert [(str(day.day), day.verdict, day.failed) for day in found.days] == [
        ("2026-02-28", "roll_back", 0),
        ("2026-03-01", "discrepancy", 1),
    ]
    assert {(each["subject"], str(each["day"])) for each in found.details} == {
        ("lost", "2026-02-28"),
        ("stuck", "2026-03-01"),
    }
