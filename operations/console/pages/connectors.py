"""What carries events from PostgreSQL to Kafka: its condition, what applying would change, acts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.apply import Overview, Site, overview, plan_site
from connectors.client import ConnectClient
from connectors.errors import ConnectorError
from connectors.plan import Action
from infra.local.programs import CONNECTOR_KEEPER
from operations.connector_acts import apply_definition, restart_connector
from operations.connector_conditions import errors, slot_state
from operations.connector_sites import connector_sites
from operations.console.access import require_operator
from operations.console.forms import posted
from operations.console.queries import read_query, rows
from operations.console.rendering import done, render
from operations.console.services import Services
from operations.slots import read_slots

_ACTS = read_query("connector_acts")
_ACTS_MAX = 20
_STARTS = frozenset(f"connectors.{verb}" for verb in ("apply", "recover", "restart", "resume"))
# A page waits for Connect no longer than somebody waits for a page.
_quick_client = partial(ConnectClient, retry_seconds=1.0, request_seconds=2.0)


@dataclass(frozen=True, slots=True)
class Condition:
    """One connector; `seen` and `planned` are None where `unknown` says why nothing is known."""

    name: str
    slot_name: str
    seen: Overview | None
    planned: Action | None
    unknown: str | None

    @property
    def errors(self) -> Sequence[str]:
        """Why it failed, where it did."""
        return () if self.seen is None else errors(self.seen)

    @property
    def slot_state(self) -> str:
        """Whether its slot is read."""
        return "" if self.seen is None else slot_state(self.seen.source)


@dataclass(frozen=True, slots=True)
class Keeper:
    """What the keeper did since it began: how often, and when last, it started each connector."""

    began_at: datetime
    restarts: Mapping[str, tuple[int, datetime]]


def page(request: Request) -> Response:
    """Show each connector."""
    services: Services = request.app.state.services
    conditions = _conditions(services)
    subjects = [name for each in conditions for name in (each.name, each.slot_name)]
    with services.reading() as connection:
        acts = rows(connection, _ACTS, {"subjects": subjects, "rows_max": _ACTS_MAX})
        slots = read_slots(connection)
    return render(
        request,
        "connectors.html",
        conditions=conditions,
        slots=slots,
        acts=acts,
        started={
            each.name: next((act for act in acts if _has_started(act, each)), None)
            for each in conditions
        },
        keeper=_keeper(services),
    )


def confirm_restart(request: Request) -> Response:
    """Say what a restart does, and ask."""
    require_operator(request)
    name = request.path_params["name"]
    for condition in _conditions(request.app.state.services):
        if condition.name == name:
            return render(request, "connector_restart.html", condition=condition)
    raise HTTPException(404)


def restart(request: Request, _: FormData) -> Response:
    """Stop and start a connector."""
    visitor = require_operator(request)
    with connector_sites(settings=request.app.state.services.addresses) as sites:
        site = _site(request, sites)
        restart_connector(site, visitor.actor)
    return done(
        request, "/connectors", f"{site.definition.name} was restarted, and reads its slot."
    )


def apply(request: Request, _: FormData) -> Response:
    """Make Connect run what the definition says."""
    visitor = require_operator(request)
    with connector_sites(settings=request.app.state.services.addresses) as sites:
        site = _site(request, sites)
        applied = apply_definition(site, visitor.actor)
    return done(
        request,
        "/connectors",
        f"{applied.connector} runs as defined, and reads its slot ({applied.kind}).",
    )


def _conditions(services: Services) -> list[Condition]:
    with connector_sites(settings=services.addresses, make_client=_quick_client) as sites:
        return [_condition(site) for site in sites]


def _condition(site: Site) -> Condition:
    definition = site.definition
    try:
        seen, planned, unknown = overview(site), plan_site(site), None
    except ConnectorError as error:
        seen, planned, unknown = None, None, str(error)
    return Condition(definition.name, definition.slot_name, seen, planned, unknown)


def _site(request: Request, sites: Sequence[Site]) -> Site:
    for site in sites:
        if site.definition.name == request.path_params["name"]:
            return site
    raise HTTPException(404)


def _has_started(act: Mapping[str, Any], condition: Condition) -> bool:
    return act["action"] in _STARTS and act["subject"] in {condition.name, condition.slot_name}


def _keeper(services: Services) -> Keeper | None:
    """Return what the keeper tells; None where it does not answer."""
    told = services.told_by(CONNECTOR_KEEPER)
    if told is None or "restarts" not in told:
        return None
    restarts = {
        name: (restarted["count"], datetime.fromtimestamp(restarted["last_at"], UTC))
        for name, restarted in told["restarts"].items()
    }
    return Keeper(datetime.fromtimestamp(told["began_at"], UTC), restarts)


ROUTES = (
    Route("/connectors", page),
    Route("/connectors/{name}/restart", confirm_restart),
    Route("/connectors/{name}/restart", posted(restart), methods=["POST"]),
    Route("/connectors/{name}/apply", posted(apply), methods=["POST"]),
)
