"""How long events are kept, and how politely they are dropped: OUTBOX_MAINTAIN_… variables."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class MaintainSettings(BaseSettings):
    """Times in the unit that the name ends in."""

    model_config = SettingsConfigDict(
        env_prefix="OUTBOX_MAINTAIN_",
        env_ignore_empty=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    retention_days: int = Field(default=30, ge=1)
    """A day (UTC) is dropped once all of it is older than that."""
    partitions_ahead_days: int = Field(default=14, ge=1)
    """How many days ahead have their partition."""
    batch_rows: int = Field(default=5_000, ge=1)
    """How many events are archived in one transaction."""
    lock_milliseconds: int = Field(default=100, ge=1)
    """How long an application may have to wait, at most, for each lock that a drop waits for."""
    lock_patience_seconds: float = Field(default=60, ge=0)
    """For how long that is tried again where others use the day or hold long transactions."""
    turn_seconds: float = Field(default=300, gt=0)
    """How long to wait for another `outbox maintain` to end."""
