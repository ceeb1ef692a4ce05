"""The ledger that the events give, from an empty state, beside the ledger there is."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from operations.rebuild.cluster import Cluster
from operations.rebuild.comparing import Key, compare
from operations.rebuild.following import Teller
from operations.rebuild.listening import Listener
from operations.rebuild.replacing import only_rebuild
from operations.rebuild.trial import trial
from operations.reconcile.settings import ReconcileSettings
from operations.reconcile.stages import Passage, wait_for_progress
from schemas.brokers import Brokers
from schemas.topics import EVENTS_SESSION
from stream_processors.groups import PROCESSORS_GROUP

# On live traffic the ledger is always ahead or behind of what was read: another bill each time.
_LOOKS = 3
_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found. `bills` and `exceptions` are those compared; all but the differences agree.

    `decided`: by a person, who reversed, corrected or billed singly. `blocked`: not posted, for a
    reason that stands in billing_exceptions. `conflicts`: posted before an event that contradicts
    it, as a ledger_conflict says. `repriced`: a price was backdated after it was posted.
    """

    equal: bool
    events: int
    bills: int
    exceptions: int
    decided: int
    blocked: int
    conflicts: int
    repriced: int
    differences: Sequence[Mapping[str, Any]]
    warnings: Sequence[str] = field(default_factory=tuple)


def prove(database_url: str, brokers: Brokers, teller: Teller) -> Proof:
    """Bill all events again, on trial, and compare what comes of it with the ledger.

    A difference is one that is there each time that both have gone on. Raises ProblemError where
    another rebuild is at work, or the processors on trial cannot go on.
    """
    cluster = Cluster(brokers)
    with only_rebuild(database_url) as connection, trial(cluster, None) as processors:
        teller.say(f"Reading all events again as {processors.application_id}.")
        listener = Listener(connection, processors)
        found: dict[Key, Mapping[str, Any]] = {}
        for look in range(_LOOKS):
            late = _wait_for_ledger(cluster)
            processors.read_everything(teller.report)
            listener.listen()
            counts, differences = compare(connection)
            found = {
                key: difference
                for key, difference in differences.items()
                if look == 0 or key in found
            }
            if not found:
                break
            if look + 1 < _LOOKS:
                time.sleep(_PAUSE_SECONDS)
        begins = cluster.positions.begins([EVENTS_SESSION.name])
        ends = cluster.positions.ends([EVENTS_SESSION.name])
        events = sum(end - begins[partition] for partition, end in ends.items())
        warnings = _warnings(list(begins.values()), late, differs=bool(found))
        return _proof(events, counts, list(found.values()), warnings)


def _wait_for_ledger(cluster: Cluster) -> Sequence[Passage]:
    """Wait until what is in events.session now is in the ledger; return which stages are late."""
    patience = ReconcileSettings().wait_seconds
    return wait_for_progress(cluster.positions, PROCESSORS_GROUP, patience).late


def _warnings(begins: Sequence[int], late: Sequence[Passage], *, differs: bool) -> list[str]:
    warnings = [passage.warning for passage in late]
    if differs and any(begins):
        warnings.append(
            f"{EVENTS_SESSION.name} no longer holds its first records: what rests on them alone "
            "differs. `outbox rebuild --replace` sends again what is no longer there."
        )
    return warnings


def _proof(
    events: int,
    counts: Counter[str],
    differences: list[Mapping[str, Any]],
    warnings: list[str],
) -> Proof:
    agreeing = ("equal", "repriced", "decided", "blocked", "conflict")
    bills = sum(counts[outcome] for outcome in agreeing)
    differing = Counter(difference["outcome"] for difference in differences)
    wrong_exceptions = differing["exception_missing"] + differing["exception_not_due"]
    return Proof(
        equal=not differences,
        events=events,
        bills=bills + len(differences) - wrong_exceptions,
        exceptions=counts["exception_equal"] + wrong_exceptions,
        decided=counts["decided"],
        blocked=counts["blocked"],
        conflicts=counts["conflict"],
        repriced=counts["repriced"],
        differences=differences,
        warnings=warnings,
    )
