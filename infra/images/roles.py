"""What the image `outbox` can be: one of our processes, or the command line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the image.

    ``module`` is what runs. ``port_setting`` names the variable with the port of its page /health;
    None where it has none. ``keeps_state`` says whether it needs OUTBOX_STATE_DIRECTORY.
    """

    module: str
    port_setting: str | None = "OUTBOX_HEALTH_PORT"
    keeps_state: bool = True


ROLES = {
    "worker": Role("stream_processors.worker"),
    "ledger-writer": Role("stream_processors.ledger"),
    "connector-keeper": Role("operations.keeper", keeps_state=False),
    "scheduler": Role("operations.scheduler"),
    "notifications": Role("stream_processors.notifications"),
    "console": Role("operations.console", "OUTBOX_CONSOLE_PORT", keeps_state=False),
    "outbox": Role("operations.main", None, keeps_state=False),
}
