"""For each alert: what makes it fire, and what comes close to that and must not.

Series in promtool's notation, a value every second: `1x60` stays 1, `0+1x60` grows by 1.
"""

from dataclasses import dataclass

ALL_ROLES = ("worker-1", "ledger-writer", "connector-keeper", "scheduler")


@dataclass(frozen=True, slots=True)
class Case:
    """Series by name and labels; at which second it is looked; how many alerts fire then."""

    alert: str
    series: dict[str, str]
    at_seconds: int
    firing: int


def _there(*roles: str, values: str = "1x120") -> dict[str, str]:
    return {f'outbox_build_info{{process="{role}",version="1"}}': values for role in roles}


def _pair(
    alert: str, series: str, *, fires: str, quiet: str, at_seconds: int = 60
) -> tuple[Case, Case]:
    return (
        Case(alert, {series: fires}, at_seconds, 1),
        Case(alert, {series: quiet}, at_seconds, 0),
    )


def _latency(bucket: str, rest: str) -> dict[str, str]:
    """A second each: how many bills more were below 1 s, and how many took up to 5 s."""
    name = "outbox_commit_to_ledger_seconds_bucket"
    return {
        f'{name}{{le="1",kind="session"}}': bucket,
        f'{name}{{le="5",kind="session"}}': rest,
        f'{name}{{le="+Inf",kind="session"}}': rest,
    }


def _kept(retained_bytes: int, of: int) -> dict[str, str]:
    """A slot for which so much log is kept, of as much as may be."""
    return {
        f"outbox_slot_retained_wal_bytes{_SLOT}": f"{retained_bytes}x60",
        f"outbox_slot_safe_wal_bytes{_SLOT}": f"{of - retained_bytes}x60",
    }


_ASSIGNED = 'outbox_assigned_partitions{instance="worker-1",topic="events.session"}'
_ASSIGNED_TOO = 'outbox_assigned_partitions{instance="worker-2",topic="events.session"}'
_UP = 'up{job="outbox",instance="worker-1"}'
_READY = 'outbox_ready{job="outbox",instance="worker-1"}'
_START = 'process_start_time_seconds{job="outbox",instance="worker-1"}'
_LAG = 'outbox_consumer_lag_records{group="outbox-billing",topic="events.session",partition="0"}'
_SLOT = '{slot="outbox_events"}'
_MEBIBYTE = 1024 * 1024

CASES = (
    *_pair("OutboxProcessDown", _UP, fires="0x60", quiet="1x60"),
    # What starts anew within a moment is no alert of this kind.
    Case("OutboxProcessDown", {_UP: "1x10 0x2 1x48"}, 13, 0),
    Case("OutboxProcessDown", {_UP: "1x10 0x60"}, 16, 1),
    Case("OutboxProcessMissing", _there(*ALL_ROLES), 90, 0),
    Case("OutboxProcessMissing", _there(*ALL_ROLES[1:]), 90, 1),
    Case("OutboxProcessMissing", {}, 90, 4),
    Case("OutboxProcessMissing", _there(*ALL_ROLES[1:]), 50, 0),
    *_pair("OutboxProcessNotReady", _READY, fires="0x60", quiet="1x60"),
    # A rebalance takes a few seconds.
    Case("OutboxProcessNotReady", {_READY: "1x10 0x5 1x40"}, 15, 0),
    Case("OutboxProcessRestarting", {_START: "100x9 200x9 300x9 400x30"}, 50, 1),
    Case("OutboxProcessRestarting", {_START: "100x9 200x9 300x40"}, 50, 0),
    *_pair("OutboxDatabaseUnreachable", "outbox_database_reachable", fires="0x60", quiet="1x60"),
    *_pair(
        "OutboxDatabaseUnreachable", 'outbox_faults{name="postgres"}', fires="1x60", quiet="0x60"
    ),
    Case("OutboxDatabaseUnreachable", {'outbox_faults{name="kafka"}': "1x60"}, 60, 0),
    *_pair("OutboxKafkaUnreachable", 'outbox_faults{name="kafka"}', fires="1x60", quiet="0x60"),
    Case("OutboxKafkaUnreachable", {'outbox_faults{name="postgres"}': "1x60"}, 60, 0),
    *_pair(
        "OutboxConnectorNotRunning",
        'outbox_connector_running{connector="outbox-events"}',
        fires="0x60",
        quiet="1x60",
    ),
    *_pair("OutboxSlotInactive", f"outbox_slot_active{_SLOT}", fires="0x60", quiet="1x60"),
    Case("OutboxSlotInactive", {f"outbox_slot_active{_SLOT}": "1x10 0x5 1x40"}, 15, 0),
    *_pair(
        "OutboxSlotRetainsWal",
        f"outbox_slot_retained_wal_bytes{_SLOT}",
        fires=f"{1025 * _MEBIBYTE}x60",
        quiet=f"{1024 * _MEBIBYTE}x60",
    ),
    Case("OutboxSlotRetainsWal", _kept(513 * _MEBIBYTE, of=1024 * _MEBIBYTE), 60, 1),
    Case("OutboxSlotRetainsWal", _kept(512 * _MEBIBYTE, of=1024 * _MEBIBYTE), 60, 0),
    Case("OutboxSlotRetainsWal", _kept(2048 * _MEBIBYTE, of=8192 * _MEBIBYTE), 60, 1),
    *_pair("OutboxTopicUnread", _ASSIGNED, fires="0x120", quiet="4x120", at_seconds=90),
    # Two workers, one of which is one too many.
    Case("OutboxTopicUnread", {_ASSIGNED: "0x120", _ASSIGNED_TOO: "8x120"}, 90, 0),
    *_pair("OutboxEventsPending", "outbox_oldest_pending_seconds", fires="11x60", quiet="10x60"),
    *_pair("OutboxBacklog", "outbox_pending_events", fires="1001x60", quiet="1000x60"),
    # A burst that is worked off.
    Case("OutboxBacklog", {"outbox_pending_events": "5000x20 0x60"}, 60, 0),
    *_pair("OutboxConsumerLag", _LAG, fires="10001x120", quiet="10000x120", at_seconds=90),
    Case("OutboxConsumerLag", {_LAG: "90000x30 0x90"}, 90, 0),
    *_pair("OutboxFault", 'outbox_faults{name="billing"}', fires="1x60", quiet="0x60"),
    Case("OutboxFault", {'outbox_faults{name="kafka"}': "1x60"}, 60, 0),
    Case("OutboxLedgerLatencyHigh", _latency("0+9x180", "0+10x180"), 150, 1),
    Case("OutboxLedgerLatencyHigh", _latency("0+1000x180", "0+1001x180"), 150, 0),
    # Idle nothing is slow.
    Case("OutboxLedgerLatencyHigh", _latency("9x180", "10x180"), 150, 0),
    *_pair(
        "OutboxExceptionsFailed",
        'outbox_billing_exceptions{reason="price_missing",status="failed"}',
        fires="1x60",
        quiet="0x60",
    ),
    Case(
        "OutboxExceptionsFailed",
        {'outbox_billing_exceptions{reason="price_missing",status="retrying"}': "9x60"},
        60,
        0,
    ),
    *_pair("OutboxExceptionsOverdue", "outbox_overdue_exceptions", fires="1x60", quiet="0x60"),
    *_pair(
        "OutboxReconciliationNotClean",
        'outbox_reconciliation_clean{task="reconcile"}',
        fires="0x200",
        quiet="1x200",
        at_seconds=180,
    ),
    # What the next minute finds repaired.
    Case(
        "OutboxReconciliationNotClean",
        {'outbox_reconciliation_clean{task="reconcile"}': "0x60 1x140"},
        60,
        0,
    ),
    *_pair(
        "OutboxTaskOverdue", 'outbox_task_overdue{task="reconcile"}', fires="1x60", quiet="0x60"
    ),
    *_pair(
        "OutboxDefaultPartitionNotEmpty",
        'outbox_default_partition_rows{table="domain_events_default"}',
        fires="1x60",
        quiet="0x60",
    ),
)
