"""How patient reconciliation is, from OUTBOX_RECONCILE_… environment variables."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ReconcileSettings(BaseSettings):
    """Times in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="OUTBOX_RECONCILE_", env_ignore_empty=True, extra="ignore"
    )

    wait_seconds: float = Field(default=20, ge=0)
    """How long each stage may take to catch up with the one before."""
    delivery_grace_seconds: float = Field(default=10, ge=0)
    """An event without a receipt for longer than that is undelivered."""
    details_max: int = Field(default=100, ge=0)
    """How many offenders are described for each outcome and reason; all are counted."""
    kafka_timeout_seconds: float = Field(default=10, gt=0)
    """How long Kafka may take to answer one request."""
