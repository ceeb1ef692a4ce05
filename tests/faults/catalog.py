"""All faults that a campaign may choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.kinds import (
    application,
    bad_input,
    clock,
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
