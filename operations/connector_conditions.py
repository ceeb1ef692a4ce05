"""How a connector is, in the words of people."""

from connectors.apply import Overview
from connectors.position import Source
from connectors.traces import causes


def errors(seen: Overview) -> list[str]:
    """Return why it or its tasks failed, the connector's own reasons first."""
    failures = () if seen.status is None else seen.status.failures
    return [cause for trace in failures for cause in causes(trace)]


def slot_state(source: Source) -> str:
    """Return `read`, `not read`, `lost` or `absent`."""
    if source.slot is None:
        return "absent"
    if source.slot.restart_lsn is None or source.slot.wal_status == "lost":
        return "lost"
    return "read" if source.slot.active else "not read"
