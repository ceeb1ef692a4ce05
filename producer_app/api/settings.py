"""What the API needs to know, from OUTBOX_… environment variables."""

import sys
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

_EXIT_USAGE = 2


def _postgresql_url(url: str) -> str:
    """Raise ValueError for what is no URL of PostgreSQL; the message holds no password."""
    try:
        backend = make_url(url).get_backend_name()
    except (ArgumentError, ValueError):
        raise ValueError("it is not a URL; one is postgresql://user:password@host/name") from None
    if backend not in {"postgresql", "postgres"}:
        raise ValueError(f"it is a URL of {backend}, and must begin with postgresql://")
    return url


class ApiSettings(BaseSettings):
    """The database's address, as `outbox env` prints it, and the limits of the API."""

    model_config = SettingsConfigDict(
        env_prefix="OUTBOX_", env_ignore_empty=True, use_attribute_docstrings=True
    )

    app_database_url: Annotated[str, AfterValidator(_postgresql_url)]
    """The address of the application's role, as `outbox env` prints it."""
    api_port: int = Field(default=8000, ge=0, le=65535)
    """The port on loopback; 0 takes any that is free, and the first line of the log names it."""
    api_pool_size: int = Field(default=10, ge=1, le=1000)
    """How many connections to the database there may be; a request takes one."""
    api_pool_timeout_seconds: float = Field(default=2, gt=0, le=600)
    """How long a request waits for a connection, where all are taken."""
    api_statement_timeout_seconds: float = Field(default=5, ge=0.1, le=600)
    """How long the database may take for a statement."""
    api_idempotency_hours: float = Field(default=24, gt=0, le=24 * 366)
    """How long the answer to a request with an Idempotency-Key is kept."""


def read_settings() -> ApiSettings:
    """Read the environment, or end the process with an error that names each wrong setting."""
    try:
        return ApiSettings.model_validate({})
    except ValidationError as error:
        for fault in error.errors():
            name = "OUTBOX_" + "_".join(str(part) for part in fault["loc"]).upper()
            message = fault["msg"].removeprefix("Value error, ")
            print(f"{name}: {message}: set it in the environment", file=sys.stderr)  # noqa: T201
        sys.exit(_EXIT_USAGE)
