"""The application's connections to PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, make_url

from producer_app.models import mapping


def connect(database_url: str, pool_size: int = 5) -> Engine:
    """Return an engine for a URL as libpq takes it (postgresql://…), with up to `pool_size`.

    A connection that broke while it lay in the pool is replaced before it is used.
    """
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    return create_engine(url, pool_size=pool_size, max_overflow=0, pool_pre_ping=True)


def create_tables(engine: Engine) -> None:
    """Create the application's own tables, where they are missing, in its schema `mentoring`."""
    mapping.metadata.create_all(engine)
