"""How patient reconciliation is, from OUTBOX_RECONCILE_… environment variables."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ReconcileSettings(BaseSettings):
    """Times in the unit that their name ends with."""

    model_config = SettingsConfigDict(
        env_prefix="OUTBOX_RECONCILE_",
        env_ignore_empty=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    wait_seconds: float = Field(default=20, ge=0)
    """How long each stage may take to catch up with the one before."""
    delivery_grace_seconds: float = Field(default=10, ge=0)
    """An event without a receipt for longer than that is undelivered; a session that was consumed
    and not completed for longer than that, or the reverse, lacks an event."""
    completion_days_max: float = Field(default=1, ge=0)
    """An evaluated session whose completion is not there after that is overdue."""
    evaluation_days_max: float = Field(default=14, ge=0)
    """A completed session that is not evaluated after that, though it must be, is overdue."""
    package_days_max: float = Field(default=365, ge=0)
    """A package that is not complete that long after its first session is overdue."""
    details_max: int = Field(default=100, ge=0)
    """How many offenders are described for each outcome and reason; all are counted."""
    kafka_timeout_seconds: float = Field(default=10, gt=0)
    """How long Kafka may take to answer one request."""
