"""The sums behind the table of what kill -9 costs."""

from benchmarks.kill_nine.outcome import Bill, Outcome, outcome


def summed(*bills: Bill, kills: tuple[float, ...] = (10.0, 20.0)) -> Outcome:
    return outcome("system", "process", kills, bills)


def test_a_session_without_a_bill_is_lost_and_one_with_two_is_billed_twice() -> None:
    found = summed(Bill(1.0, (1.1,)), Bill(2.0, ()), Bill(3.0, (3.1, 3.2)))
    assert (found.committed, found.lost, found.billed_twice) == (3, 1, 1)


def test_the_first_bill_of_a_session_says_how_long_it_waited() -> None:
    assert summed(Bill(3.0, (9.0, 3.25))).longest_wait_ms == 250


def test_recovery_ends_with_the_last_bill_that_came_late_and_begins_with_the_last_kill() -> None:
    found = summed(Bill(19.0, (21.0,)), Bill(19.5, (22.5,)), Bill(30.0, (30.1,)))
    assert (found.late, found.recovery_ms) == (2, 2500)


def test_where_no_bill_came_late_there_was_nothing_to_recover() -> None:
    found = summed(Bill(19.0, (19.9,)))
    assert (found.late, found.recovery_ms) == (0, 0)


def test_bills_that_were_late_before_the_last_kill_alone_need_no_time_after_it() -> None:
    assert summed(Bill(10.0, (12.0,)), Bill(21.0, (21.1,))).recovery_ms == 0
