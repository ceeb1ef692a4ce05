"""The ledger beside what the events say: by day, what is wrong, and a new look at it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.local.programs import SCHEDULER
from operations.console.access import require_operator
from operations.console.forms import day, identity, posted
from operations.console.periods import Period, period
from operations.console.queries import read_query, rows
from operations.console.rendering import done, render
from operations.reconcile.showing import FIGURES, WAYS_OUT

_DAYS, _RUNS, _DETAILS = map(
    read_query, ("reconciled_days", "reconciliation_runs", "reconciliation_details")
)
_PAGE_DAYS = 31
_RUNS_MAX = 10
_OFFENDERS_MAX = 100
_LOST = ("missing", "undelivered")


def page(request: Request) -> Response:
    """Show day by day what the newest run found that judged the whole of it."""
    reconciler = request.app.state.reconciler
    today = datetime.now(UTC).date()
    last = day(request.query_params, "until") or today
    first = last - timedelta(days=_PAGE_DAYS - 1)
    with request.app.state.services.reading() as connection:
        days = rows(connection, _DAYS, {"first_day": first, "last_day": last})
        runs = rows(connection, _RUNS, {"rows_max": _RUNS_MAX})
        offenders = _offenders_of(connection, days)
    return render(
        request,
        "reconciliation.html",
        days=days,
        runs=[_with_period(run) for run in runs],
        offenders=offenders[:_OFFENDERS_MAX],
        offenders_left_out=max(len(offenders) - _OFFENDERS_MAX, 0),
        ways_out=_ways_out([each["found"] for each in days if _is_wrong(each)]),
        repair=_repair([each["day"] for each in days if _is_lost(each)]),
        tasks=_tasks(request.app.state.services.told_by(SCHEDULER)),
        under_way=reconciler.under_way,
        failed=reconciler.failed,
        shown=Period(first, last),
        earlier=first - timedelta(days=1),
        today=today,
    )


def run(request: Request) -> Response:
    """Show all that one run found; with `day` only what belongs to that day."""
    asked = day(request.query_params, "day")
    wanted = {"runs": [identity(request.path_params["id"])]}
    with request.app.state.services.reading() as connection:
        found = rows(connection, _DETAILS, wanted)
    if not found:
        raise HTTPException(404)
    (shown,) = found
    figures = next((each for each in shown["days"] if each["day"] == str(asked)), None)
    days = [each["day"] for each in shown["days"] if any(each[name] for name in _LOST)]
    return render(
        request,
        "reconciliation_run.html",
        run=_with_period(shown),
        day=asked,
        figures=shown["figures"] | {"verdict": shown["verdict"]} if asked is None else figures,
        names=FIGURES if asked is None else tuple(figures or ()),
        offenders=_of_day(shown["details"], asked),
        ways_out=_ways_out([shown["figures"] if asked is None else figures or {}]),
        repair=_repair([asked] if asked else [date.fromisoformat(each) for each in days]),
    )


def begin(request: Request, form: FormData) -> Response:
    """Reconcile what is asked for; the page tells when it is done."""
    visitor = require_operator(request)
    asked = period(form)
    request.app.state.reconciler.begin(asked, visitor.actor)
    return done(
        request, "/reconciliation", f"The reconciliation of {asked} has begun: it is shown here."
    )


def _offenders_of(
    connection: psycopg.Connection, days: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return the offenders of the days on which something is wrong, the newest day first."""
    wrong = [each for each in days if _is_wrong(each)]
    found = rows(connection, _DETAILS, {"runs": [each["id"] for each in wrong]})
    details = {run["id"]: run["details"] for run in found}
    return [offender for each in wrong for offender in _of_day(details[each["id"]], each["day"])]


def _of_day(
    details: Sequence[Mapping[str, Any]], asked: date | None
) -> Sequence[Mapping[str, Any]]:
    return [each for each in details if asked is None or each["day"] == str(asked)]


def _is_wrong(each: Mapping[str, Any]) -> bool:
    return each["found"] is not None and each["found"]["verdict"] != "clean"


def _is_lost(each: Mapping[str, Any]) -> bool:
    return each["found"] is not None and any(each["found"][name] for name in _LOST)


def _ways_out(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what a person does about what is wrong."""
    return [text for name, text in WAYS_OUT.items() if any(figures.get(name) for figures in found)]


def _repair(days: Sequence[date]) -> str | None:
    """Return the command that sends again what is missing on these days; None for no day."""
    if not days:
        return None
    lost = Period(min(days), max(days))
    bounds = (("--since", lost.since), ("--until", lost.until))
    return " ".join(
        ["outbox reconcile --repair", *(f"{name} {at:%Y-%m-%dT%H:%M:%SZ}" for name, at in bounds)]
    )


def _with_period(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run with how long it took."""
    return {**run, "took_seconds": (run["ended_at"] - run["began_at"]).total_seconds()}


def _tasks(told: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
    """Return the scheduler's last runs, as it tells them; None where it does not answer."""
    if told is None or "runs" not in told:
        return None
    return [
        {
            "name": name,
            "outcome": run["outcome"],
            "error": run["error"],
            "took_seconds": run["took_seconds"],
            "succeeded_at": None
            if run["succeeded_at"] is None
            else datetime.fromtimestamp(run["succeeded_at"], UTC),
        }
        for name, run in told["runs"].items()
    ]


ROUTES = (
    Route("/reconciliation", page),
    Route("/reconciliation", posted(begin), methods=["POST"]),
    Route("/reconciliation/runs/{id}", run),
)
