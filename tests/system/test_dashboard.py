"""The Grafana dashboard: well formed, and each of its queries has data from a stack that works."""

import json
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.end_to_end.books import Books
from tests.running_stack import RunningStack
from tests.system.prometheus_server import Prometheus
from tests.waiting import wait_until

DASHBOARD = Path(__file__).parents[2] / "infra" / "monitoring" / "dashboard.json"
COLUMNS = 24
# What Grafana puts in: long enough for a few scrapes.
RATE_INTERVAL = "1m"
SCRAPES_SECONDS = 30
RIGHTLY_EMPTY = "outbox_notifications_total"
"""Told by a process that runs where a webhook is set, and the stack of these tests has none."""


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return read


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    asked = {target["expr"] for panel in panels() for target in panel["targets"]}
    return sorted(
        expression.replace("$__rate_interval", RATE_INTERVAL)
        for expression in asked
        if RIGHTLY_EMPTY not in expression
    )


@pytest.fixture
def books(stack: RunningStack) -> Iterator[Books]:
    with (
        psycopg.connect(stack.address("database_url"), autocommit=True) as owner,
        psycopg.connect(stack.address("app_database_url"), autocommit=True) as application,
    ):
        yield Books(stack, owner, application)


def test_every_panel_has_a_place_of_its_own_a_unit_and_a_description() -> None:
    identities = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(identities)) == len(identities)
    for panel in panels():
        place = panel["gridPos"]
        assert place["w"] > 0
        assert place["h"] > 0
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0
    for one, other in combinations(dashboard()["panels"], 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_whoever_imports_it_chooses_the_prometheus() -> None:
    (variable,) = dashboard()["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    for panel in panels():
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def work(books: Books) -> None:
    """Let an application do a little of everything, bad input included."""
    books.set_prices()
    for number in range(20):
        books.insert(books.completed(f"s{number}"))
    books.insert(books.completed("evaluated", requiredEvaluation=True))
    books.evaluate("evaluated")
    for number in range(2):
        books.insert(books.course(f"p{number}", 2))
    books.insert(books.completed("contrary"))
    books.insert(books.completed("contrary", studentId=books.id("other")))
    books.wait_for_bills(23)
    books.wait_for_exception(books.id("contrary"), "session_conflict", "failed")


def answered(prometheus: Prometheus) -> dict[str, list[dict[str, Any]]]:
    return {expression: prometheus.query(expression) for expression in queries()}


@pytest.mark.timeout(400)
def test_every_query_has_data_from_a_stack_that_works(prometheus: Prometheus, books: Books) -> None:
    wait_until(
        "each process is scraped", lambda: prometheus.query("up == 1"), lambda up: len(up) >= 4
    )
    deadline = time.monotonic() + SCRAPES_SECONDS
    work(books)
    while time.monotonic() < deadline:
        books.insert(books.completed(f"later-{time.monotonic()}"))
        time.sleep(0.5)

    answers = wait_until(
        "every query has data", lambda: answered(prometheus), lambda told: all(told.values()), 120
    )

    values = {
        expression: [float(each["value"][1]) for each in series]
        for expression, series in answers.items()
    }
    numbers = {
        expression: [each for each in found if each == each]  # noqa: PLR0124 - NaN is not itself
        for expression, found in values.items()
    }
    # A percentile of nothing is no number.
    assert [expression for expression, found in numbers.items() if not found] == []
    assert prometheus.query(RIGHTLY_EMPTY) == []
