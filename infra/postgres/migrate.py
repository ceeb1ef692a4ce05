"""Makes the database and brings it up to date.

`bootstrap` does what needs a superuser, `apply_migrations` what the owner may do, `ensure_slot`
makes what must exist before the first event. Each may be called again at any time.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import click
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.postgres.errors import (
    DatabaseSetupError,
    MigrationChangedError,
    MigrationFailedError,
    SlotUnusableError,
)
from infra.postgres.objects import (
    HOME,
    INITIAL_MIGRATION,
    MIGRATIONS_TABLE,
    initial_migration,
    role_files,
)

OWNER = "outbox_owner"
ROLES = tuple(path.stem for path in role_files())
DATABASE = "outbox"
SLOT = "outbox_events"
# Any number that nobody else locks: one process at a time sets up a database.
SETUP_LOCK = 7_204_611_902_357_118

_SLOTS_WITH_FAILOVER = 170_000
OLDEST_SERVER = 140_000
_MIGRATION_NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")


def url_of_database(url: str, database: str) -> str:
    """Return the libpq connection string of another database on the same server, same role."""
    return make_conninfo(url, dbname=database)


def bootstrap(admin_url: str, passwords: Mapping[str, str], database: str = DATABASE) -> None:
    """Make the roles and the database, its settings, and who may connect. Idempotent.

    `admin_url`: a superuser's connection string, to any database of the server. `passwords`: one
    for each of ROLES; those of roles that exist already are set anew.

    Raises DatabaseSetupError if a password is missing or the server is too old.
    """
    missing = [role for role in ROLES if not passwords.get(role)]
    if missing:
        raise DatabaseSetupError(
            f"No password is given for {', '.join(missing)}: give each role one."
        )
    with psycopg.connect(admin_url, autocommit=True) as connection:
        if connection.info.server_version < OLDEST_SERVER:
            raise DatabaseSetupError(
                f"PostgreSQL {connection.info.server_version // 10_000} is too old: use 14 to 18."
            )
        connection.execute("SELECT pg_advisory_lock(%s)", [SETUP_LOCK])
        for path in role_files():
            _make_role(connection, path, passwords[path.stem])
        _make_database(connection, database)
    with psycopg.connect(url_of_database(admin_url, database)) as connection:
        # Since PostgreSQL 15 nobody but the owner creates in public; in 14 everyone does.
        connection.execute(
            sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(OWNER)),
        )
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        # The application's own tables (producer_app/models.py): it creates nothing in public.
        connection.execute("CREATE SCHEMA IF NOT EXISTS mentoring AUTHORIZATION outbox_application")


def _make_role(
    connection: psycopg.Connection[tuple[object, ...]], path: Path, password: str
) -> None:
    role = path.stem
    exists = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    if exists is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    connection.execute(path.read_bytes())
    # Hashed here, so that no server log ever shows it.
    verifier = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
    )


def _make_database(connection: psycopg.Connection[tuple[object, ...]], database: str) -> None:
    exists = connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone()
    if exists is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
                sql.Identifier(database), sql.Identifier(OWNER)
            )
        )
    configure_database(connection, database)


def configure_database(connection: psycopg.Connection[tuple[object, ...]], database: str) -> None:
    """Set what belongs to a database itself and is not copied from its template.

    `connection`: a superuser's, to any database of the server.
    """
    name = sql.Identifier(database)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            name, sql.SQL(", ").join(sql.Identifier(role) for role in ROLES)
        )
    )
    # Events and receipts have the same days: joined day by day, a day out of range costs nothing.
    connection.execute(sql.SQL("ALTER DATABASE {} SET enable_partitionwise_join = on").format(name))


def apply_migrations(database_url: str) -> list[str]:
    """Apply the migrations the database has not had, each in a transaction; return their names.

    `database_url`: connection string of the owner, or of a superuser (who then acts as the owner).

    Raises MigrationChangedError, and applies nothing, if one it has had was edited or is unknown;
    MigrationFailedError if the server refuses one, those before it being applied.
    """
    migrations = _migrations()
    applied_now: list[str] = []
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER)))
        connection.execute("SELECT pg_advisory_lock(%s)", [SETUP_LOCK])
        applied = _applied(connection)
        _refuse_changed(applied, migrations)
        for name, text in migrations.items():
            if name in applied:
                continue
            _apply(connection, name, text)
            applied_now.append(name)
    return applied_now


def missing_migrations(connection: psycopg.Connection) -> list[str]:
    """Return the names of the migrations the database has not had; change nothing.

    Raises MigrationChangedError as apply_migrations does.
    """
    migrations = _migrations()
    row = connection.execute("SELECT to_regclass('public.schema_migrations')").fetchone()
    applied = {} if row == (None,) else _applied(connection)
    _refuse_changed(applied, migrations)
    return [name for name in migrations if name not in applied]


def _apply(connection: psycopg.Connection[tuple[object, ...]], name: str, text: str) -> None:
    try:
        with connection.transaction():
            connection.execute(text.encode())
            connection.execute(
                "INSERT INTO schema_migrations (name, checksum) VALUES (%s, %s)",
                [name, _checksum(text)],
            )
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError) as error:
        raise MigrationFailedError(
            f"The migration {name} failed and nothing of it was kept: {error}. Correct the file, "
            "or the data it trips over, and migrate again."
        ) from error


def _migrations() -> dict[str, str]:
    paths = sorted((HOME / "migrations").glob("*.sql"))
    misnamed = [path.name for path in paths if not _MIGRATION_NAME.fullmatch(path.name)]
    if misnamed:
        raise DatabaseSetupError(
            f"Migrations are named NNNN_what_it_does.sql; rename {', '.join(misnamed)}."
        )
    return {path.stem: path.read_text(encoding="utf-8") for path in paths}


def _applied(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, str]:
    row = connection.execute("SELECT to_regclass('public.schema_migrations')").fetchone()
    if row == (None,):
        connection.execute((HOME / MIGRATIONS_TABLE).read_bytes())
    rows = connection.execute("SELECT name, checksum FROM schema_migrations").fetchall()
    return {str(name): str(checksum) for name, checksum in rows}


def _refuse_changed(applied: Mapping[str, str], migrations: Mapping[str, str]) -> None:
    for name, checksum in sorted(applied.items()):
        if name not in migrations:
            raise MigrationChangedError(
                f"The database has had the migration {name}, which this version does not know: "
                "run a version of the program that is at least as new as the database."
            )
        if checksum != _checksum(migrations[name]):
            raise MigrationChangedError(
                f"The migration {name} was edited after this database had it: restore the file and "
                "write a new migration, or, if the data may go, make a new database."
            )


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def ensure_slot(admin_url: str, database: str = DATABASE) -> bool:
    """Make the connector's replication slot if there is none; return whether it was made.

    `admin_url`: a superuser's connection string, to any database of the server. The slot starts at
    the present: make it before the first event. Where the server can (PostgreSQL 17), it survives
    a failover.

    Raises SlotUnusableError if the server keeps no logical log, or the slot belongs to another
    database, or has lost the log it needs.
    """
    with psycopg.connect(url_of_database(admin_url, database), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [SETUP_LOCK])
        slot = connection.execute(
            "SELECT database, plugin, wal_status FROM pg_replication_slots WHERE slot_name = %s",
            [SLOT],
        ).fetchone()
        if slot is not None:
            _refuse_unusable(slot, database)
            return False
        failover = ", false, false, true"
        if connection.info.server_version < _SLOTS_WITH_FAILOVER:
            failover = ""
        try:
            connection.execute(
                sql.SQL(
                    "SELECT pg_create_logical_replication_slot({}, 'pgoutput'" + failover + ")"
                ).format(sql.Literal(SLOT))
            )
        except psycopg.errors.ObjectNotInPrerequisiteState as error:
            raise SlotUnusableError(
                "The server keeps no logical log: set wal_level = logical and restart it."
            ) from error
        return True


def _refuse_unusable(slot: tuple[object, ...], database: str) -> None:
    home, plugin, wal_status = slot
    if home != database or plugin != "pgoutput":
        raise SlotUnusableError(
            f"A replication slot {SLOT} exists for database {home} with plugin {plugin}, not for "
            f"{database} with pgoutput: drop it, or use a server of its own."
        )
    if wal_status == "lost":
        raise SlotUnusableError(
            f"The replication slot {SLOT} has lost the log it needs (max_slot_wal_keep_size): "
            "run `outbox connectors recover`, which makes a new one and sends again what has no "
            "receipt."
        )


@click.command()
@click.option("--write-initial", is_flag=True, help="Write 0001_initial.sql from the object files.")
def main(*, write_initial: bool) -> None:
    """Write the first migration; `outbox setup database` applies what a database has not had."""
    if not write_initial:
        raise click.UsageError("Say --write-initial.")
    INITIAL_MIGRATION.parent.mkdir(exist_ok=True)
    INITIAL_MIGRATION.write_text(initial_migration(), encoding="utf-8")
    click.echo(INITIAL_MIGRATION.name, err=True)


if __name__ == "__main__":
    main()
