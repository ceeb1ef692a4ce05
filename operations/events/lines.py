"""An event as a line: when it was created, what it is, and what has become of it by now."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import click
from rich.text import Text

from operations.output import as_json_line, output_console

_TYPE_COLUMNS = 26
_SECONDS_FROM_MS = 10_000
_FIELDS = (
    "id", "event_type", "aggregate_type", "aggregate_id", "created_at", "status", "published_at",
    "published_after_ms", "billing", "posted_at", "billed_after_ms", "ledger_id", "bill_kind",
    "amount_minor", "currency", "retry_count", "missing", "last_error",
)  # fmt: skip
_STYLES = {
    "pending": "yellow", "failed": "red", "retrying": "yellow", "billed": "green",
    "dismissed": "dim", "not_billable": "dim",
}  # fmt: skip
_REASONS = {"retrying": "last_error", "failed": "last_error", "waiting_package": "missing"}
"""Which column says more about an event whose bill is not there; the other words say it all."""

Row = Mapping[str, Any]


def printer(output: str, *, payload: bool) -> Callable[[Row, bool], None]:
    """Return what prints a row of history.sql, and whether its event was not seen before."""
    if output == "json":
        return lambda row, new: click.echo(as_json_line(as_data(row, new=new, payload=payload)))
    return TextLines(payload=payload).show


def as_data(row: Row, *, new: bool, payload: bool) -> dict[str, Any]:
    """Return the object that is printed as JSON; `news` is `event`, or `change` of a known one.

    Latencies are counted from created_at, by the database's clock; None until they are known.
    """
    told = {**row, **latencies(row)}
    chosen = (*_FIELDS, "payload") if payload else _FIELDS
    return {"news": "event" if new else "change", **{name: told[name] for name in chosen}}


def latencies(row: Row) -> dict[str, float | None]:
    """Return published_after_ms and billed_after_ms.

    A bill that was there before the event, as for one that came twice, took no time of it.
    """
    posted_at = row["posted_at"] if row["billing"] == "billed" else None
    if posted_at is not None and posted_at < row["created_at"]:
        posted_at = None
    return {
        "published_after_ms": _after_ms(row, row["published_at"]),
        "billed_after_ms": _after_ms(row, posted_at),
    }


def _after_ms(row: Row, at: datetime | None) -> float | None:
    return None if at is None else round((at - row["created_at"]).total_seconds() * 1000, 1)


class TextLines:
    """Prints lines for people; a line of its own says each new day."""

    def __init__(self, *, payload: bool) -> None:
        self._payload = payload
        self._day: date | None = None

    def show(self, row: Row, _new: bool) -> None:
        """Print one row of history.sql."""
        created_at = row["created_at"].astimezone(UTC)
        if created_at.date() != self._day:
            self._day = created_at.date()
            _print(Text(f"{self._day} (UTC)", style="bold"))
        _print(_line(row, created_at))
        if self._payload:
            _print(Text(f"{'':14}{as_json_line(row['payload'])}", style="dim"))


def _line(row: Row, created_at: datetime) -> Text:
    after = latencies(row)
    line = Text(created_at.strftime("%H:%M:%S.%f")[:-3])
    line.append(f"  {row['event_type']:{_TYPE_COLUMNS}}  {row['aggregate_id']}")
    for word, done, after_ms in (
        (row["status"], "published", after["published_after_ms"]),
        (row["billing"], "billed", after["billed_after_ms"]),
    ):
        line.append("  ")
        line.append(word, style=_STYLES.get(word, ""))
        if word == done and after_ms is not None:
            line.append(f" after {_duration(after_ms)}")
    because = row[_REASONS[row["billing"]]] if row["billing"] in _REASONS else None
    return line.append(f": {because}") if because else line


def _duration(after_ms: float) -> str:
    if after_ms < _SECONDS_FROM_MS:
        return f"{after_ms:.0f} ms"
    return f"{after_ms / 1000:.0f} s"


def _print(line: Text) -> None:
    """Print at once; by click, which tells when nobody reads any more."""
    console = output_console()
    with console.capture() as captured:
        console.print(line, soft_wrap=True)
    click.echo(captured.get(), nl=False)
