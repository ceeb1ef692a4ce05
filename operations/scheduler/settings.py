"""How often the scheduler does what, and how late is too late: OUTBOX_SCHEDULER_… variables."""

from pydantic import Field

from stream_processors.settings import ProcessSettings

_HOUR_SECONDS = 3600.0


class SchedulerSettings(ProcessSettings):
    """Times in the unit that their name ends with; the addresses are those of every verb."""

    database_url: str
    """The owner's: maintaining drops and makes tables."""

    scheduler_reconcile_seconds: float = Field(default=60, gt=0)
    """How often what is new is reconciled, and all of the window where that takes its share."""
    scheduler_window_hours: float = Field(default=24, gt=0)
    """How far back the window reaches."""
    scheduler_overlap_seconds: float = Field(default=60, ge=0)
    """How much of what was judged is read again: for transactions that last that long."""
    scheduler_share_max: float = Field(default=0.05, gt=0, le=1)
    """How much of the time reconciling all of the window may take."""
    scheduler_reconcile_limit_seconds: float = Field(default=300, gt=0)
    """Unhealthy if what is new was not reconciled to a verdict for that long."""
    scheduler_daily_seconds: float = Field(default=24 * _HOUR_SECONDS, gt=0)
    """How often everything is reconciled, and old days are dropped."""
    scheduler_daily_limit_seconds: float = Field(default=36 * _HOUR_SECONDS, gt=0)
    """Unhealthy if that, or reconciling all of the window, did not succeed for that long."""
    scheduler_first_seconds: float = Field(default=15, ge=0)
    """How long after its start it begins: a stack that starts has other things to do."""
    scheduler_fault_seconds: float = Field(default=120, ge=0)
    """Unhealthy if bills are missing or wrong for that long."""
