"""Making the database of a system, and bringing an older one up to date, in one go."""

from collections.abc import Mapping

import psycopg

from infra.postgres.migrate import (
    DATABASE,
    apply_migrations,
    bootstrap,
    ensure_slot,
    url_of_database,
)


def prepare_database(
    admin_url: str, passwords: Mapping[str, str], database: str = DATABASE
) -> list[str]:
    """Make roles, database, tables and, before the first event, the slot; names migrations applied.

    `admin_url`: a superuser's connection string, to any database of the server. A slot that is gone
    although there are events is not made again here: that would hide the loss. Applying the
    connector finds it and says what to do. Raises DatabaseSetupError.
    """
    bootstrap(admin_url, passwords, database)
    url = url_of_database(admin_url, database)
    applied = apply_migrations(url)
    if not _has_events(url):
        ensure_slot(admin_url, database)
    return applied


def _has_events(url: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT EXISTS (SELECT FROM domain_events)").fetchone()
    return row == (True,)
