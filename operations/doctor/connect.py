"""What Kafka Connect tells: versions, and whether the connector runs as it is defined."""

from collections.abc import Iterator
from dataclasses import replace

from connectors.apply import PAUSED, STOPPED, Site, plan_site
from connectors.plan import RUNNING, ActionKind
from connectors.traces import causes
from infra.local.jars_lock import locked_version
from operations.doctor.finding import RECOVER, Finding, Level, fault, fine, warning

_PLUGIN = "debezium-connector-postgres"
_AGAIN = "`outbox down`, then `outbox up`; elsewhere the image of this release"


def versions(site: Site, connect_version: str) -> Iterator[Finding]:
    """Whether Connect and the plug-in are those of this release."""
    plugin = site.client.plugin_versions().get(site.definition.connector_class)
    runs = {"Kafka Connect": connect_version, "Debezium's plug-in": plugin}
    wanted = {
        "Kafka Connect": locked_version("connect-runtime"),
        "Debezium's plug-in": locked_version(_PLUGIN),
    }
    if plugin is None:
        yield fault(
            "connect",
            f"Connect does not have the class {site.definition.connector_class}",
            f"check the worker's plugin.path; {_AGAIN}",
        )
        return
    others = [
        f"{name} is {runs[name]}, not {wanted[name]}" for name in runs if runs[name] != wanted[name]
    ]
    if others:
        # Debezium before 3.7 loses events in two known cases.
        yield warning("connect", "; ".join(others), _AGAIN)
    else:
        yield fine("connect", ", ".join(f"{name} {version}" for name, version in runs.items()))


def connector(site: Site, *, untrusted: bool = False) -> Iterator[Finding]:
    """Whether the connector and its task run, as defined.

    untrusted: its slot lost its place, so that every other verb would refuse to start it.
    """
    for finding in _connector(site):
        ill = untrusted and finding.level is not Level.OK
        yield replace(finding, remedy=RECOVER) if ill else finding


def _connector(site: Site) -> Iterator[Finding]:
    name = site.definition.name
    status = site.client.status(name)
    if status is None:
        yield fault(
            "connector",
            f"Connect has no connector {name}: no event reaches Kafka",
            "`outbox connectors apply`",
        )
    elif status.failures:
        reasons = "; ".join(cause for trace in status.failures for cause in causes(trace))
        yield fault(
            "connector",
            f"{name} failed: {reasons}",
            "`outbox connectors restart`, once the cause is removed",
        )
    elif status.state in {PAUSED, STOPPED}:
        verb = "resume" if status.state == PAUSED else "restart"
        yield fault(
            "connector",
            f"{name} is {status.state}: events wait in PostgreSQL, whose log grows",
            f"`outbox connectors {verb}`",
        )
    elif not status.is_all(RUNNING):
        tasks = ", ".join(task.state for task in status.tasks) or "none"
        yield warning(
            "connector",
            f"{name} is {status.state}, its tasks: {tasks}",
            "`outbox connectors status` in a moment, then `outbox connectors restart`",
        )
    else:
        yield from _as_defined(site)


def _as_defined(site: Site) -> Iterator[Finding]:
    action = plan_site(site)
    if action.kind is ActionKind.NOTHING:
        yield fine("connector", f"{action.connector} and its task run as defined")
        return
    keys = ", ".join(change.key for change in action.changes)
    yield warning(
        "connector",
        f"{action.connector} runs, but not as defined: {keys}",
        "`outbox connectors plan` shows it, `outbox connectors apply` mends it",
    )
