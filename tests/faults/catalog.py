"""All faults that a campaign may choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.kinds import (
    application,
    bad_input,
    clock,
    cluster,
    ledger_writer,
    link,
    loss,
    postgres,
    prices,
    services,
    state_loss,
    versions,
    worker,
)

if TYPE_CHECKING:
    from infra.local.layout import Layout
    from tests.faults.site import Fault

FAULTS: list[Fault] = [
    *application.FAULTS,
    *postgres.FAULTS,
    *link.FAULTS,
    *services.FAULTS,
    *worker.FAULTS,
    *versions.FAULTS,
    *ledger_writer.FAULTS,
    *loss.FAULTS,
    *state_loss.FAULTS,
    *prices.FAULTS,
    *clock.FAULTS,
    *bad_input.FAULTS,
]


def faults_of(layout: Layout) -> list[Fault]:
    """Return the faults that a stack of this many brokers and Connect workers can have."""
    return [
        *FAULTS,
        *(cluster.OF_BROKERS if layout.broker_count > 1 else []),
        *(cluster.OF_CONNECT_WORKERS if layout.connect_worker_count > 1 else []),
    ]
