"""What a window of time has touched: all that a reconciliation of that window must read.

What falls due in a window has an event in it: of the session itself, or of one that names the
package. It depends on all events of those sessions, and of all sessions that name those packages,
whenever they happened. (Other packages that these name are read in part, and not judged: nothing of
theirs lies in the window, or they would be among the first.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

# Arrays reach the indexes of recorded_events, where a join would read all of it. From a subquery,
# since the planner estimates each element of an array that it knows, for each day.
_SESSIONS = """
    SELECT aggregate_id
    FROM recorded_events
    WHERE aggregate_type = 'session'
      AND created_at >= %(since)s::timestamptz AND created_at < %(until)s::timestamptz
    UNION
    SELECT session_id
    FROM ledger_entry_sessions
    WHERE entry_id = ANY(ARRAY(
        SELECT id FROM mentor_payable_ledgers
        WHERE posted_at >= %(since)s::timestamptz AND posted_at < %(until)s::timestamptz
    ))
    UNION
    SELECT session_id
    FROM mentor_payable_ledgers
    WHERE posted_at >= %(since)s::timestamptz AND posted_at < %(until)s::timestamptz
      AND session_id IS NOT NULL
"""
_PACKAGES = """
    SELECT DISTINCT service_package_id
    FROM mentor_payable_ledgers
    WHERE posted_at >= %(since)s::timestamptz AND posted_at < %(until)s::timestamptz
      AND service_package_id IS NOT NULL
"""
_CONSUMED = """
    SELECT DISTINCT aggregate_id, payload ->> 'sessionId'
    FROM recorded_events
    WHERE event_type = 'service.consumed'
      AND created_at >= %(since)s::timestamptz AND created_at < %(until)s::timestamptz
"""
_CONTRACTS = """
    SELECT DISTINCT payload ->> 'contractId'
    FROM recorded_events
    WHERE event_type = 'services.session.completed'
      AND created_at >= %(since)s::timestamptz AND created_at < %(until)s::timestamptz
"""
_COMPLETED = """
    SELECT DISTINCT payload ->> 'contractId', aggregate_id
    FROM recorded_events
    WHERE aggregate_type = 'session'
      AND aggregate_id = ANY(ARRAY(SELECT unnest(%(sessions)s::text[])))
      AND event_type = 'services.session.completed'
"""
_SESSIONS_OF_CONTRACTS = """
    SELECT payload ->> 'sessionId'
    FROM recorded_events
    WHERE payload ->> 'contractId' = ANY(ARRAY(SELECT unnest(%(contracts)s::text[])))
      AND event_type IN ('services.session.completed', 'service.consumed')
"""
_PACKAGES_OF_SESSIONS = """
    SELECT DISTINCT payload ->> 'servicePackageId'
    FROM recorded_events
    WHERE aggregate_type = 'session'
      AND aggregate_id = ANY(ARRAY(SELECT unnest(%(sessions)s::text[])))
      AND event_type = 'services.session.completed'
      AND payload ->> 'servicePackageId' IS NOT NULL
"""
_SESSIONS_OF_PACKAGES = """
    SELECT DISTINCT aggregate_id
    FROM recorded_events
    WHERE payload ->> 'servicePackageId' = ANY(ARRAY(SELECT unnest(%(packages)s::text[])))
      AND event_type = 'services.session.completed'
"""
# An entry that pays one of the sessions for another subject is read with what takes it back, or it
# would seem to stand.
_ENTRIES = """
    WITH paying AS MATERIALIZED (
        SELECT id FROM mentor_payable_ledgers WHERE session_id = ANY(%(sessions)s::text[])
        UNION
        SELECT id FROM mentor_payable_ledgers WHERE service_package_id = ANY(%(packages)s::text[])
        UNION
        SELECT entry_id FROM ledger_entry_sessions WHERE session_id = ANY(%(sessions)s::text[])
    )
    SELECT id FROM paying
    UNION
    SELECT id FROM mentor_payable_ledgers WHERE reverses = ANY(ARRAY(SELECT id FROM paying))
"""


@dataclass(frozen=True, slots=True)
class Touched:
    """Sessions and contracts whose events are read, and the ledger entries of the subjects."""

    sessions: Sequence[str]
    contracts: Sequence[str]
    entries: Sequence[UUID]


def touched(
    connection: psycopg.Connection, since: str, until: str, sessions_max: int
) -> Touched | None:
    """Return what [since, until) has touched; None where that is more than `sessions_max` sessions.

    Call it in the transaction that compares. Raises psycopg.Error.
    """
    window = {"since": since, "until": until}
    sessions = _all(connection, _SESSIONS, **window)
    packages = _all(connection, _PACKAGES, **window)
    contracts = _all(connection, _CONTRACTS, **window)
    consumed = set(connection.execute(_CONSUMED, window))
    if len(sessions) > sessions_max or len(consumed) > sessions_max:
        return None

    incomplete = _contracts_with_a_session_never_completed(connection, consumed)
    sessions |= _all(connection, _SESSIONS_OF_CONTRACTS, contracts=list(incomplete))
    sessions |= {session for _, session in consumed}
    packages |= _all(connection, _PACKAGES_OF_SESSIONS, sessions=list(sessions))
    sessions |= _all(connection, _SESSIONS_OF_PACKAGES, packages=list(packages))
    if len(sessions) > sessions_max:
        return None
    entries = _all(connection, _ENTRIES, sessions=list(sessions), packages=list(packages))
    return Touched(sorted(sessions), sorted(contracts | incomplete), sorted(entries))


def _contracts_with_a_session_never_completed(
    connection: psycopg.Connection, consumed: Iterable[tuple[str, str]]
) -> set[str]:
    sessions = list({session for _, session in consumed})
    completed = set(connection.execute(_COMPLETED, {"sessions": sessions}))
    return {contract for contract, _ in set(consumed) - completed}


def _all(connection: psycopg.Connection, query: str, **parameters: Any) -> set[Any]:
    return {value for (value,) in connection.execute(query, parameters)}
