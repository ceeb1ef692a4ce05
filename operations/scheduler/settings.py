"""How often the scheduler does what, and how late is too late: OUTBOX_SCHEDULER_… variables."""

from pydantic import Field

from stream_processors.settings import ProcessSettings

_HOUR_SECONDS = 3600.0


class SchedulerSettings(ProcessSettings):
    """Times in seconds, but for the window; the addresses are those of every verb."""

    database_url: str
    """The owner's: maintaining drops and makes tables."""

    scheduler_reconcile_seconds: float = Field(default=60, gt=0)
    """How often what happened lately is reconciled."""
    scheduler_window_hours: float = Field(default=24, gt=0)
    """What "lately" is."""
    scheduler_reconcile_limit_seconds: float = Field(default=300, gt=0)
    """Unhealthy if no reconciliation came to a verdict for that long."""
    scheduler_daily_seconds: float = Field(default=24 * _HOUR_SECONDS, gt=0)
    """How often everything is reconciled, and old days are dropped."""
    scheduler_daily_limit_seconds: float = Field(default=36 * _HOUR_SECONDS, gt=0)
    """Unhealthy if that did not succeed for that long."""
    scheduler_first_seconds: float = Field(default=15, ge=0)
    """How long after its start it begins: a stack that starts has other things to do."""
    scheduler_fault_seconds: float = Field(default=120, ge=0)
    """Unhealthy if bills are missing or wrong for that long."""
