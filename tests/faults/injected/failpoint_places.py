"""Where the failpoints are: the worst moments of the workers and of the ledger writer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _always(*_: Any, **__: Any) -> bool:
    return True


@dataclass(frozen=True)
class Failpoint:
    """A place: before or after a function is called, if `condition` holds for its arguments.

    `program` is the beginning of the names of the processes that it is in.
    """

    name: str
    program: str
    module: str
    function: str
    afterwards: bool
    condition: Callable[..., bool] = _always


def _loop(group: str) -> Callable[..., bool]:
    """Hold in the topic loop of one consumer group only."""
    return lambda loop, *_, **__: loop.name == group


def _uncommitted(group: str) -> Callable[..., bool]:
    return lambda loop: bool(loop.name == group and loop._uncommitted)


def _has_rows(_: object, rows: Sequence[object], *__: object) -> bool:
    return bool(rows)


_ENGINE = "stream_processors.engine"
_LEDGER = "stream_processors.ledger"
_PAYABLES, _RECEIPTS, _DEAD_LETTERS = (
    f"outbox-ledger-{name}" for name in ("payables", "receipts", "dead-letters")
)

FAILPOINTS = (
    Failpoint(
        "worker: an event in hand",
        "worker-",
        "stream_processors.agents.sessions",
        "SessionsAgent.handle",
        afterwards=False,
    ),
    Failpoint(
        "worker: decided, nothing delivered",
        "worker-",
        f"{_ENGINE}.outbound",
        "Outbound.deliver",
        afterwards=False,
        condition=lambda _, records: bool(records),
    ),
    Failpoint(
        "worker: delivered, state not written",
        "worker-",
        f"{_ENGINE}.fact_table",
        "FactPartition.store",
        afterwards=False,
        condition=_has_rows,
    ),
    Failpoint(
        "worker: state written, batch not finished",
        "worker-",
        f"{_ENGINE}.fact_table",
        "FactPartition.store",
        afterwards=True,
        condition=_has_rows,
    ),
    Failpoint(
        "worker: batch finished, offsets not committed",
        "worker-",
        f"{_ENGINE}.processing",
        "Processor.process",
        afterwards=True,
    ),
    Failpoint(
        "worker: reading its state back",
        "worker-",
        f"{_ENGINE}.fact_table",
        "FactPartition.catch_up",
        afterwards=False,
    ),
    Failpoint(
        "ledger-writer: posted, not committed",
        "ledger-writer",
        f"{_LEDGER}.isolation",
        "post_and_record",
        afterwards=True,
    ),
    Failpoint(
        "ledger-writer: ledger committed, offsets not stored",
        "ledger-writer",
        f"{_LEDGER}.consuming",
        "TopicLoop._store_offsets",
        afterwards=False,
        condition=_loop(_PAYABLES),
    ),
    Failpoint(
        "ledger-writer: offsets stored, not committed",
        "ledger-writer",
        f"{_LEDGER}.consuming",
        "TopicLoop._commit_in_time",
        afterwards=False,
        condition=_uncommitted(_PAYABLES),
    ),
    Failpoint(
        "ledger-writer: receipts written, not committed",
        "ledger-writer",
        f"{_LEDGER}.receipts",
        "_write",
        afterwards=True,
    ),
    Failpoint(
        "ledger-writer: receipts committed, offsets not stored",
        "ledger-writer",
        f"{_LEDGER}.consuming",
        "TopicLoop._store_offsets",
        afterwards=False,
        condition=_loop(_RECEIPTS),
    ),
    Failpoint(
        "ledger-writer: report written, not committed",
        "ledger-writer",
        f"{_LEDGER}.writer",
        "_write_isolated",
        afterwards=True,
    ),
    Failpoint(
        "ledger-writer: reports committed, offsets not stored",
        "ledger-writer",
        f"{_LEDGER}.consuming",
        "TopicLoop._store_offsets",
        afterwards=False,
        condition=_loop(_DEAD_LETTERS),
    ),
    Failpoint(
        "ledger-writer: retried, not committed",
        "ledger-writer",
        f"{_LEDGER}.retries",
        "_retry",
        afterwards=True,
    ),
)
