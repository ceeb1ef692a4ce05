"""The application's connections to PostgreSQL."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url, text

from producer_app.models import mapping

POOL_TIMEOUT_SECONDS = 30.0
"""How long a use case waits for a connection of the pool before SQLAlchemy's TimeoutError."""

_LOCK_TABLES = text("SELECT pg_advisory_xact_lock(hashtextextended('mentoring.create_tables', 0))")


def connect(
    database_url: str,
    pool_size: int = 5,
    *,
    pool_timeout_seconds: float = POOL_TIMEOUT_SECONDS,
    statement_timeout_seconds: float | None = None,
) -> Engine:
    """Return an engine for a URL as libpq takes it (postgresql://…), with up to `pool_size`.

    A connection that broke while it lay in the pool is replaced before it is used. With a statement
    timeout the database ends what takes longer, and a transaction that lies idle for that long; a
    server or a link that does not answer is given up after about as long.
    """
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    arguments: dict[str, Any] = {}
    if statement_timeout_seconds is not None:
        # The database can't end what it does not hear of: a dead link is the kernel's to notice.
        arguments = {
            "connect_timeout": math.ceil(statement_timeout_seconds),
            "tcp_user_timeout": round(statement_timeout_seconds * 1000),
            "keepalives_idle": 2,
            "keepalives_interval": 1,
            "keepalives_count": 2,
        }
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=pool_timeout_seconds,
        connect_args=arguments,
        hide_parameters=True,  # they are payloads and keys, and errors are logged
    )
    if statement_timeout_seconds is not None:
        _limit_statements(engine, f"{statement_timeout_seconds}s")
    return engine


def create_tables(engine: Engine) -> None:
    """Create the application's own tables, where they are missing, in its schema `mentoring`.

    Processes that start at the same time wait for each other.
    """
    with engine.begin() as connection:
        connection.execute(_LOCK_TABLES)
        mapping.metadata.create_all(connection)


def _limit_statements(engine: Engine, timeout: str) -> None:
    @event.listens_for(engine, "connect")
    def set_timeouts(connection: Any, _record: object) -> None:
        for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute("SELECT set_config(%s, %s, false)", [setting, timeout])
        connection.commit()
