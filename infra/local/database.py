"""Making the database of a fresh stack, and bringing an older one up to date."""

import psycopg

from infra.local.credentials import Credentials
from infra.local.layout import Layout
from infra.local.postgres import DATABASE, SUPERUSER, database_url
from infra.postgres.migrate import apply_migrations, bootstrap, ensure_slot


def _has_events(admin_url: str) -> bool:
    with psycopg.connect(admin_url) as connection:
        row = connection.execute("SELECT EXISTS (SELECT FROM domain_events)").fetchone()
    return row == (True,)


def prepare_database(layout: Layout, credentials: Credentials) -> list[str]:
    """Make roles, database, tables and, before the first event, the slot; names migrations applied.

    A slot that is gone although there are events is not made again here: that would hide the
    loss. Applying the connector finds it and says what to do.
    """
    server_url = database_url(layout, SUPERUSER, credentials.superuser, "postgres")
    admin_url = database_url(layout, SUPERUSER, credentials.superuser)
    bootstrap(server_url, credentials.roles, DATABASE)
    applied = apply_migrations(admin_url)
    if not _has_events(admin_url):
        ensure_slot(server_url, DATABASE)
    return applied
