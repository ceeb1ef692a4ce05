"""(e): this pipeline's application. `python -m benchmarks.publishers.domain_events`.

It inserts one row into domain_events, and nothing else is its business.
"""

from __future__ import annotations

import click
import psycopg
from psycopg.types.json import Jsonb

from benchmarks.publishers.bursts import complete_in_bursts, session_ids

_INSERT = """
    INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload)
    VALUES ('session', %s, 'services.session.completed', %s)
"""
_COMPLETED = """
    SELECT aggregate_id FROM domain_events
    WHERE aggregate_type = 'session' AND payload ->> 'contractId' = %s
"""


class OutboxRows:
    """The application's transaction. The owner's URL is for asking what was committed."""

    def __init__(self, application_url: str, owner_url: str, name: str) -> None:
        self._connection = psycopg.connect(application_url)
        self._owner_url = owner_url
        self._name = name

    def completed(self) -> set[str]:
        """See bursts.Sessions."""
        with psycopg.connect(self._owner_url) as owner:
            rows = owner.execute(_COMPLETED, [self._name]).fetchall()
        return {session_id for (session_id,) in rows}

    def complete(self, session_id: str) -> None:
        """Commit the event; the run's name is its contract and its mentor."""
        payload = {
            "sessionId": session_id,
            "contractId": self._name,
            "mentorId": self._name,
            "studentId": "student",
            "sessionType": "mentoring",
            "requiredEvaluation": False,
            "completedAt": "2026-03-01T12:00:00Z",
        }
        with self._connection.transaction():
            self._connection.execute(_INSERT, [session_id, Jsonb(payload)])


@click.command()
@click.argument("application_url")
@click.argument("owner_url")
@click.option("--name", required=True, help="Of the run: its sessions' ids begin so.")
@click.option("--sessions", type=int, required=True)
def main(application_url: str, owner_url: str, name: str, sessions: int) -> None:
    """Complete sessions; ends when all are committed."""
    complete_in_bursts(
        session_ids(name, sessions), lambda: OutboxRows(application_url, owner_url, name)
    )


if __name__ == "__main__":
    main()
