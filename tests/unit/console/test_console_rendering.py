from datetime import UTC, datetime

import pytest

from operations.console.money import written
from operations.console.rendering import address, duration, hidden, instant, number, size


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (10_000, "USD", "100.00 USD"),
        (5, "USD", "0.05 USD"),
        (123_456_789, "EUR", "1,234,567.89 EUR"),
        (1_500, "JPY", "1,500 JPY"),
        (1_500, "KWD", "1.500 KWD"),
        (2**53 + 1, "USD", "90,071,992,547,409.93 USD"),
    ],
)
def test_an_amount_is_written_in_its_currencys_decimals(
    amount_minor: int, currency: str, text: str
) -> None:
    assert written(amount_minor, currency) == text
    assert written(-amount_minor, currency) == "\N{MINUS SIGN}" + text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (0.0234, "23 ms"),
        (4.21, "4.2 s"),
        (42, "42 s"),
        (300, "5.0 min"),
        (7_200, "2.0 h"),
        (200_000, "2 d"),
    ],
)
def test_a_span_is_written_in_the_unit_that_fits(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_bytes_and_rates_are_written_short() -> None:
    assert [size(count) for count in (512, 2048, 3 * 1024**2, 5 * 1024**3)] == [
        "512 B",
        "2.0 KiB",
        "3.0 MiB",
        "5.0 GiB",
    ]
    assert [number(value) for value in (0, 5.5, 1234.4)] == ["0", "5.5", "1,234"]


def test_a_time_is_told_in_utc_and_to_programs_as_well() -> None:
    value = datetime(2026, 3, 1, 12, 0, 5, 7_000, tzinfo=UTC)
    assert instant(value, milliseconds=True) == (
        '<time datetime="2026-03-01T12:00:05.007000+00:00">2026-03-01 12:00:05.007</time>'
    )


def test_an_address_leaves_out_what_is_empty_and_repeats_lists() -> None:
    parameters = {"status": ["failed", "retrying"], "reason": None, "subject": "", "id": "a&b"}
    assert address("/exceptions", parameters) == (
        "/exceptions?status=failed&status=retrying&id=a%26b"
    )
    assert address("/", {}) == "/"


def test_of_what_is_hidden_only_the_names_remain() -> None:
    assert hidden({"a": {"b": [1, "x"]}, "c": None}) == {"a": {"b": ["•••", "•••"]}, "c": None}
