"""The state as of some time: what was owed, and what waited for what."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from itertools import groupby
from typing import Any

import psycopg

from operations.rebuild.cluster import Cluster
from operations.rebuild.following import Teller
from operations.rebuild.replacing import only_rebuild
from operations.rebuild.trial import Trial, trial
from schemas.brokers import Brokers
from schemas.records import CompletedFact, Payable
from schemas.topics import (
    EVENTS_SESSION,
    PACKAGE_FACTS_CHANGELOG,
    PACKAGE_SESSIONS,
    SESSION_FACTS_CHANGELOG,
    Topic,
)
from stream_processors.agents.facts import fact_of_row
from stream_processors.billing.facts import SEPARATOR, Fact, gather, gather_by_session
from stream_processors.billing.packages import decide_package
from stream_processors.billing.sessions import decide_session, session_standing
from stream_processors.engine.changelog import Changelog
from stream_processors.engine.fact_table import FactPartition

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PastState:
    """What the events up to `until` say. `totals_minor`: what was owed, by currency.

    Owed at the prices in force when it fell due, as they are known now; without one, `unpriced`.
    """

    until: datetime
    sessions: int
    packages: int
    totals_minor: Mapping[str, int]
    unpriced: int
    owed: Sequence[Row]
    waiting_completion: Sequence[Row]
    waiting_evaluation: Sequence[Row]
    waiting_package: Sequence[Row]


def state_until(database_url: str, brokers: Brokers, until: datetime, teller: Teller) -> PastState:
    """Let processors on trial read what was recorded by then, and look into their state."""
    cluster = Cluster(brokers)
    with only_rebuild(database_url) as connection, trial(cluster, until) as processors:
        teller.say(f"Reading the events up to {until.isoformat()} as {processors.application_id}.")
        processors.read_everything(teller.report)
        processors.end()
        of_sessions = _subjects(processors, SESSION_FACTS_CHANGELOG)
        of_packages = _subjects(processors, PACKAGE_FACTS_CHANGELOG)
        sessions = [standing_of_session(session_id, facts) for session_id, facts in of_sessions]
        packages = [standing_of_package(package_id, facts) for package_id, facts in of_packages]
        return _state(connection, until, sessions, packages)


def _subjects(processors: Trial, changelog: Topic) -> Iterator[tuple[str, list[Fact]]]:
    """Yield each session, or package, with its facts, from the state on this machine's disk."""
    is_of_sessions = changelog == SESSION_FACTS_CHANGELOG
    source = EVENTS_SESSION if is_of_sessions else processors.topics[PACKAGE_SESSIONS.name]
    name = "session_facts" if is_of_sessions else "package_facts"
    for directory in sorted((processors.directory / "state").glob(f"{name}-*")):
        number = int(directory.name.removeprefix(f"{name}-"))
        # It is asked nothing: what the processors have passed is on the disk.
        log = Changelog(changelog.name, source.name, processors.application_id, {})
        partition = FactPartition(directory, log, number)
        try:
            yield from _grouped(partition.rows(b""))
        finally:
            partition.close()


def _grouped(rows: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, list[Fact]]]:
    """Yield the facts of each subject. The rows come in the order of their keys."""
    facts = (row for row in rows if not row[0].startswith(SEPARATOR.encode()))
    for subject, of_subject in groupby(facts, lambda row: row[0].split(SEPARATOR.encode())[0]):
        yield subject.decode(), [fact_of_row(key, value) for key, value in of_subject]


def standing_of_session(session_id: str, known: list[Fact]) -> tuple[str, Row]:
    """Return how a session stood, and what there is to say of it."""
    facts = gather(known)
    standing = session_standing(facts)
    if standing.completed is None:
        if standing.evaluated is None:
            return "nothing", {}
        evaluated = standing.evaluated
        return "completion", {
            "session_id": session_id,
            "evaluated_at": evaluated.evaluated_at,
            "event_id": evaluated.event_id,
        }
    if not standing.billable:
        return "evaluation", {"session_id": session_id, **_terms(standing.completed)}
    owed = decide_session(facts).owed
    return ("owed", _owed(owed)) if isinstance(owed, Payable) else ("member", {})


def standing_of_package(package_id: str, known: list[Fact]) -> tuple[str, Row]:
    """Return how a package stood, and what there is to say of it."""
    sessions = gather_by_session(known)
    owed = decide_package(package_id, sessions).owed
    if isinstance(owed, Payable):
        return "owed", _owed(owed)
    standings = [session_standing(facts) for facts in sessions.values()]
    members = [
        (standing.completed, standing.billable)
        for standing in standings
        if standing.completed is not None and standing.completed.service_package_id == package_id
    ]
    if not members:
        return "nothing", {}
    first = min((completed for completed, _ in members), key=lambda fact: fact.event_id)
    return "package", {
        "service_package_id": package_id,
        "sessions_total": first.package_total_sessions,
        "sessions_billable": sum(billable for _, billable in members),
        "sessions_known": sorted(completed.session_id for completed, _ in members),
        "mentor_id": first.mentor_id,
        "contract_id": first.contract_id,
        "student_id": first.student_id,
        "package_code": first.package_code,
    }


def _terms(completed: CompletedFact) -> Row:
    return {
        "mentor_id": completed.mentor_id,
        "contract_id": completed.contract_id,
        "student_id": completed.student_id,
        "session_type": completed.session_type,
        "service_package_id": completed.service_package_id,
        "completed_at": completed.completed_at,
        "event_id": completed.event_id,
    }


def _owed(payable: Payable) -> Row:
    return {
        "kind": payable.kind,
        "subject": payable.session_id or payable.service_package_id,
        "mentor_id": payable.mentor_id,
        "contract_id": payable.contract_id,
        "student_id": payable.student_id,
        "price_code": payable.price_code,
        "amount_minor": None,
        "currency": None,
        "occurred_at": payable.occurred_at,
        "source_event_id": payable.source_event_id,
        "session_ids": list(payable.session_ids),
        "ledger_id": payable.ledger_id,
    }


def _state(
    connection: psycopg.Connection[Any],
    until: datetime,
    sessions: Sequence[tuple[str, Row]],
    packages: Sequence[tuple[str, Row]],
) -> PastState:
    def those(wanted: str, order: str) -> list[Row]:
        rows = [row for standing, row in (*sessions, *packages) if standing == wanted]
        return sorted(rows, key=lambda row: str(row[order]))

    owed = those("owed", "occurred_at")
    totals = _price(connection, owed)
    return PastState(
        until=until,
        sessions=sum(standing != "nothing" for standing, _ in sessions),
        packages=sum(standing != "nothing" for standing, _ in packages),
        totals_minor=dict(totals),
        unpriced=sum(row["amount_minor"] is None for row in owed),
        owed=owed,
        waiting_completion=those("completion", "evaluated_at"),
        waiting_evaluation=those("evaluation", "completed_at"),
        waiting_package=those("package", "service_package_id"),
    )


def _price(connection: psycopg.Connection[Any], owed: Sequence[Row]) -> Counter[str]:
    """Write the amount and its currency into what is owed, and return the sums."""
    query = files("operations.rebuild").joinpath("prices.sql").read_bytes()
    columns = {
        "mentors": [row["mentor_id"] for row in owed],
        "codes": [row["price_code"] for row in owed],
        "occurred": [row["occurred_at"] for row in owed],
    }
    totals: Counter[str] = Counter()
    for place, amount_minor, currency in connection.execute(query, columns):
        owed[place - 1].update(amount_minor=amount_minor, currency=currency)
        totals[currency] += amount_minor
    return totals
