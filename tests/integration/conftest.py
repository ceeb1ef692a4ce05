"""A freshly migrated database for each test, and a connection to it for each role."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from infra.postgres.migrate import OWNER, apply_migrations, bootstrap, configure_database
from tests.integration.ledger_writing import Writer, ledger_writer_on
from tests.postgres_server import PostgresServer

MIGRATED, TEMPLATE = "outbox_test_migrated", "outbox_test_template"
_DAYS_AHEAD = """
    SELECT relname FROM pg_class
    WHERE relispartition AND relkind = 'r' AND relname ~ '_[0-9]{8}$'
      AND right(relname, 8) > to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYYMMDD')
"""

_numbers = itertools.count(1)


@contextmanager
def _created(server: PostgresServer, name: str, template: str) -> Iterator[str]:
    """Clone a database; drop it afterwards, whoever is still connected."""
    database = sql.Identifier(name)
    with psycopg.connect(server.admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy").format(
                database, sql.Identifier(OWNER), sql.Identifier(template)
            )
        )
        configure_database(admin, name)
    try:
        yield name
    finally:
        with psycopg.connect(server.admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """Name of a database as migrations make it, that nobody is connected to."""
    bootstrap(postgres_server.admin_url, postgres_server.passwords, MIGRATED)
    apply_migrations(postgres_server.url(OWNER, MIGRATED))
    return MIGRATED


@pytest.fixture(scope="session")
def database_template(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """Name of the same, with the days alone that a test can live to see: clone it, never use it.

    Each day more is a dozen files to copy, a thousand times.
    """
    with _created(postgres_server, TEMPLATE, migrated_template) as name:
        with psycopg.connect(postgres_server.url(OWNER, name), autocommit=True) as owner:
            for (partition,) in owner.execute(_DAYS_AHEAD).fetchall():
                owner.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(partition)))
        yield name


@pytest.fixture
def database(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    migrated_template: str,
    database_template: str,
) -> Iterator[str]:
    """Name of this test's own database; marked `as_migrated` it has partitions for all days."""
    as_migrated = request.node.get_closest_marker("as_migrated") is not None
    template = migrated_template if as_migrated else database_template
    with _created(postgres_server, f"outbox_test_{next(_numbers)}", template) as name:
        yield name


@pytest.fixture(scope="module")
def module_database(postgres_server: PostgresServer, database_template: str) -> Iterator[str]:
    """Name of one database for all tests of a module."""
    with _created(postgres_server, f"outbox_test_{next(_numbers)}", database_template) as name:
        yield name


@pytest.fixture(scope="session")
def shared_database(postgres_server: PostgresServer, database_template: str) -> Iterator[str]:
    """Name of one empty database for tests that change nothing."""
    with _created(postgres_server, "outbox_test_shared", database_template) as name:
        yield name


@pytest.fixture
def scratch(postgres_server: PostgresServer, shared_database: str) -> Iterator[psycopg.Connection]:
    """The superuser on the shared database, in a transaction that is rolled back: quicker."""
    with psycopg.connect(postgres_server.admin_url_of(shared_database)) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def admin(postgres_server: PostgresServer, database: str) -> Iterator[psycopg.Connection]:
    """The superuser, whom no privilege binds."""
    url = postgres_server.admin_url_of(database)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def owner(postgres_server: PostgresServer, database: str) -> Iterator[psycopg.Connection]:
    """The owner of every table."""
    url = postgres_server.url(OWNER, database)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def application(postgres_server: PostgresServer, database: str) -> Iterator[psycopg.Connection]:
    """An application that records events."""
    url = postgres_server.url("outbox_application", database)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def ledger_writer(postgres_server: PostgresServer, database: str) -> Iterator[psycopg.Connection]:
    """The process that posts."""
    url = postgres_server.url("outbox_ledger_writer", database)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def writer(postgres_server: PostgresServer, database: str, tmp_path: Path) -> Iterator[Writer]:
    """The ledger writer's parts, in this process."""
    url = postgres_server.url("outbox_ledger_writer", database)
    with ledger_writer_on(url, tmp_path) as writer:
        yield writer


@pytest.fixture
def auditor(postgres_server: PostgresServer, database: str) -> Iterator[psycopg.Connection]:
    """Whoever reads everything."""
    url = postgres_server.url("outbox_auditor", database)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def connector(postgres_server: PostgresServer, database: str) -> Iterator[psycopg.Connection]:
    """Debezium's role."""
    url = postgres_server.url("outbox_connector", database)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
