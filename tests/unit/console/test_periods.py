"""Days from and to, as people ask for them."""

from datetime import UTC, date, datetime

import click
import pytest
from starlette.datastructures import QueryParams

from operations.console.periods import Period, last_days, month, month_before, period


def test_the_last_day_of_a_period_belongs_to_it() -> None:
    asked = period(QueryParams("since=2026-02-28&until=2026-02-28"))
    assert asked.since == datetime(2026, 2, 28, tzinfo=UTC)
    assert asked.until == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_period_without_bounds_is_everything() -> None:
    assert (period(QueryParams("since=&until=")).since, Period().until) == (None, None)


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(click.UsageError, match="2026-03-01 is before 2026-03-02"):
        period(QueryParams("since=2026-03-02&until=2026-03-01"))


@pytest.mark.parametrize(
    ("of", "this", "before"),
    [
        (date(2026, 3, 31), ("2026-03-01", "2026-03-31"), ("2026-02-01", "2026-02-28")),
        (date(2028, 3, 1), ("2028-03-01", "2028-03-31"), ("2028-02-01", "2028-02-29")),
        (date(2026, 1, 15), ("2026-01-01", "2026-01-31"), ("2025-12-01", "2025-12-31")),
        (date(2026, 12, 31), ("2026-12-01", "2026-12-31"), ("2026-11-01", "2026-11-30")),
    ],
)
def test_a_month_has_all_its_days_and_no_other(
    of: date, this: tuple[str, str], before: tuple[str, str]
) -> None:
    for found, expected in ((month(of), this), (month_before(of), before)):
        assert (str(found.first), str(found.last)) == expected


def test_seven_days_are_today_and_the_six_before_it() -> None:
    assert last_days(date(2026, 3, 3), 7) == Period(date(2026, 2, 25))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Period(), "everything"),
        (Period(date(2026, 3, 1), date(2026, 3, 1)), "2026-03-01"),
        (Period(date(2026, 3, 1), date(2026, 3, 2)), "2026-03-01 to 2026-03-02"),
        (Period(date(2026, 3, 1)), "from 2026-03-01 on"),
        (Period(None, date(2026, 3, 1)), "up to 2026-03-01"),
    ],
)
def test_a_period_is_said_in_words(asked: Period, said: str) -> None:
    assert str(asked) == said
