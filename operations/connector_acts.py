"""What people do to connectors, by the command line or in the console; each act leaves its row.

What Connect was told is in no transaction of ours. So the row is written first: an act that failed
has been tried, and what cannot be recorded is not done.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import psycopg

from connectors.apply import Site, apply, delete, pause, plan_site, start
from connectors.plan import Action, ActionKind
from operations.actions import record_action

_CONNECT_SECONDS = 10


def apply_definition(site: Site, actor: str) -> Action:
    """Make Connect run what the definition says; see `connectors.apply.apply`.

    Where nothing is to be done, nothing is recorded.
    """
    planned = plan_site(site)
    if planned.kind is not ActionKind.NOTHING:
        changes = [asdict(change) for change in planned.changes]
        _record(site, "apply", actor, {"action": str(planned.kind), "changes": changes})
    return apply(site)


def pause_connector(site: Site, actor: str) -> None:
    """Let it idle."""
    _steer(site, "pause", actor, pause)


def resume_connector(site: Site, actor: str) -> None:
    """Let it go on, if the slot still has its place."""
    _steer(site, "resume", actor, start)


def restart_connector(site: Site, actor: str) -> None:
    """Stop it and start it, if the slot still has its place."""
    _steer(site, "restart", actor, start)


def restart_if_failed(site: Site, actor: str) -> bool:
    """Restart it if it or a task of it failed; tell whether it was so."""
    status = site.client.status(site.definition.name)
    if status is None or not status.failures:
        return False
    restart_connector(site, actor)
    return True


def delete_connector(site: Site, actor: str) -> None:
    """Remove it from Connect."""
    _steer(site, "delete", actor, delete)


def record_recovery(site: Site, actor: str, fault: str | None) -> None:
    """Record that it is recovered, under its slot; `fault`: why that is made anew, if it is."""
    detail = {"made_anew": fault is not None, "fault": fault}
    _record(site, "recover", actor, detail, subject=site.definition.slot_name)


def _steer(site: Site, verb: str, actor: str, change: Callable[[Site], None]) -> None:
    status = site.client.status(site.definition.name)
    _record(site, verb, actor, {"state": "absent" if status is None else status.state})
    change(site)


def _record(
    site: Site, verb: str, actor: str, detail: Mapping[str, Any], subject: str | None = None
) -> None:
    with psycopg.connect(site.database_url, connect_timeout=_CONNECT_SECONDS) as connection:
        record_action(
            connection,
            action=f"connectors.{verb}",
            subject=subject or site.definition.name,
            actor=actor,
            detail=detail,
        )
