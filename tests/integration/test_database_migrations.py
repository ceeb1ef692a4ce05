import difflib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from infra.local.postgres import client_environment, installation
from infra.postgres import migrate, objects
from infra.postgres.errors import DatabaseSetupError, MigrationChangedError, MigrationFailedError
from infra.postgres.migrate import OWNER, ROLES, SLOT, apply_migrations, bootstrap
from operations.setup.database import password_variable
from tests.postgres_server import PostgresServer
from tests.running_stack import outbox_command


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[str]:
    """Name of a bootstrapped database without a migration."""
    name = "outbox_test_empty"
    bootstrap(postgres_server.admin_url, postgres_server.passwords, name)
    yield name
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the migrations folder, which migrate reads instead of the real one."""
    shutil.copytree(objects.HOME / "migrations", tmp_path / "migrations")
    shutil.copytree(objects.HOME / "tables", tmp_path / "tables")
    monkeypatch.setattr(migrate, "HOME", tmp_path)
    return tmp_path / "migrations"


def _dump(url: str) -> list[str]:
    # The days' partitions depend on the day.
    days = ["domain_events_2*", "domain_event_deliveries_2*"]
    done = subprocess.run(
        [
            str(installation() / "bin" / "pg_dump"),
            "--schema-only",
            *(f"--exclude-table={pattern}" for pattern in days),
            url,
        ],
        check=True,
        capture_output=True,
        text=True,
        env=client_environment(),
    )
    return [line for line in done.stdout.splitlines() if not line.startswith("\\")]


def test_migrations_make_what_the_object_files_say(
    postgres_server: PostgresServer, migrated_template: str, empty_database: str
) -> None:
    url = postgres_server.url(OWNER, empty_database)
    with psycopg.connect(url) as connection:
        connection.execute("SET check_function_bodies = off")
        for path in objects.object_files():
            connection.execute(path.read_bytes())
        connection.execute("SELECT create_partitions(14)")
    from_files = _dump(url)
    from_migrations = _dump(postgres_server.url(OWNER, migrated_template))
    assert len(from_files) > 500
    assert list(difflib.unified_diff(from_files, from_migrations, lineterm="", n=0)) == []


def test_the_first_migration_is_what_the_object_files_say_today() -> None:
    # Until the first release. After it, an object's change is a migration of its own.
    written = objects.INITIAL_MIGRATION.read_text(encoding="utf-8")
    assert written == objects.initial_migration(), (
        "run `python -m infra.postgres.migrate --write-initial`"
    )


def test_each_object_file_makes_the_object_it_is_named_after() -> None:
    for path in objects.object_files():
        if path.parent.name in {"functions", "tables", "views", "publications"}:
            noun = path.parent.name.removesuffix("s").upper()
            text = path.read_text(encoding="utf-8")
            assert f"{noun} {path.stem}" in text, path


def test_migrations_are_applied_once(postgres_server: PostgresServer, empty_database: str) -> None:
    url = postgres_server.url(OWNER, empty_database)
    assert apply_migrations(url) == ["0001_initial"]
    assert apply_migrations(url) == []


def test_two_processes_that_migrate_at_once_apply_each_migration_once(
    postgres_server: PostgresServer, empty_database: str
) -> None:
    url = postgres_server.url(OWNER, empty_database)
    applied: list[str] = []
    callers = [
        threading.Thread(target=lambda: applied.extend(apply_migrations(url))) for _ in range(3)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert applied == ["0001_initial"]


def test_a_superuser_migrates_as_the_owner(
    postgres_server: PostgresServer, empty_database: str
) -> None:
    url = postgres_server.admin_url_of(empty_database)
    apply_migrations(url)
    with psycopg.connect(url) as connection:
        owners = connection.execute(
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace"
        ).fetchall()
    assert owners == [(OWNER,)]


def test_a_later_migration_is_applied_after_the_first(
    postgres_server: PostgresServer, empty_database: str, migrations: Path
) -> None:
    (migrations / "0002_later.sql").write_text("CREATE TABLE later (number int);")
    url = postgres_server.url(OWNER, empty_database)
    assert apply_migrations(url) == ["0001_initial", "0002_later"]


def test_an_edited_migration_is_refused(
    postgres_server: PostgresServer, empty_database: str, migrations: Path
) -> None:
    url = postgres_server.url(OWNER, empty_database)
    apply_migrations(url)
    with (migrations / "0001_initial.sql").open("a") as file:
        file.write("-- a word more\n")
    with pytest.raises(MigrationChangedError, match="0001_initial was edited"):
        apply_migrations(url)


def test_a_database_newer_than_the_program_is_refused(
    postgres_server: PostgresServer, empty_database: str, migrations: Path
) -> None:
    url = postgres_server.url(OWNER, empty_database)
    (migrations / "0002_later.sql").write_text("CREATE TABLE later (number int);")
    apply_migrations(url)
    (migrations / "0002_later.sql").unlink()
    with pytest.raises(MigrationChangedError, match="0002_later, which this version does not know"):
        apply_migrations(url)


def test_a_migration_that_fails_leaves_nothing_of_itself(
    postgres_server: PostgresServer, empty_database: str, migrations: Path
) -> None:
    url = postgres_server.url(OWNER, empty_database)
    (migrations / "0002_broken.sql").write_text("CREATE TABLE half (number int); SELECT 1 / 0;")
    with pytest.raises(MigrationFailedError, match=r"0002_broken failed.*division by zero"):
        apply_migrations(url)
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT to_regclass('half')").fetchone()
        names = connection.execute("SELECT name FROM schema_migrations").fetchall()
    assert (tables, names) == ((None,), [("0001_initial",)])


def test_a_misnamed_migration_is_refused(
    postgres_server: PostgresServer, empty_database: str, migrations: Path
) -> None:
    (migrations / "later.sql").write_text("SELECT 1;")
    with pytest.raises(DatabaseSetupError, match=r"later\.sql"):
        apply_migrations(postgres_server.url(OWNER, empty_database))


def test_bootstrap_says_whose_password_is_missing(postgres_server: PostgresServer) -> None:
    passwords = {role: "secret" for role in ROLES if role != "outbox_auditor"}
    with pytest.raises(DatabaseSetupError, match="outbox_auditor"):
        bootstrap(postgres_server.admin_url, passwords)


def test_bootstrap_again_mends_a_roles_rights_and_keeps_the_data(
    postgres_server: PostgresServer, database: str, admin: psycopg.Connection
) -> None:
    admin.execute("ALTER ROLE outbox_application CREATEDB")
    admin.execute("INSERT INTO mentor_prices VALUES ('m', 'standard', 1, 'USD', now())")
    bootstrap(postgres_server.admin_url, postgres_server.passwords, database)
    creates = admin.execute(
        "SELECT rolcreatedb FROM pg_roles WHERE rolname = 'outbox_application'"
    ).fetchone()
    prices = admin.execute("SELECT count(*) FROM mentor_prices").fetchone()
    assert (creates, prices) == ((False,), (1,))


def test_a_password_never_reaches_the_server_in_clear(
    postgres_server: PostgresServer, database: str, admin: psycopg.Connection
) -> None:
    admin.execute("ALTER SYSTEM SET log_statement = 'all'")
    admin.execute("SELECT pg_reload_conf()")
    try:
        bootstrap(postgres_server.admin_url, postgres_server.passwords, database)
    finally:
        admin.execute("ALTER SYSTEM RESET log_statement")
        admin.execute("SELECT pg_reload_conf()")
    log = (postgres_server.layout.home / "postgres.log").read_text()
    assert "ALTER ROLE" in log
    assert not [password for password in postgres_server.passwords.values() if password in log]


def test_the_migration_can_be_applied_from_the_command_line(
    postgres_server: PostgresServer, empty_database: str
) -> None:
    url = postgres_server.url(OWNER, empty_database)
    done = subprocess.run(
        outbox_command("setup", "database", "--migrations-only"),
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"OUTBOX_DATABASE_URL": url},
    )
    assert done.stdout == "0001_initial\n"


def test_all_that_a_server_of_others_needs_is_made_from_the_command_line_and_may_be_made_again(
    postgres_server: PostgresServer, admin: psycopg.Connection[Any]
) -> None:
    url = postgres_server.url(OWNER, "made_from_outside")
    passwords = {password_variable(role): text for role, text in postgres_server.passwords.items()}
    settings = {
        "OUTBOX_DATABASE_URL": url,
        "OUTBOX_ADMIN_DATABASE_URL": postgres_server.admin_url,
        **passwords,
    }
    command = outbox_command("setup", "database")
    try:
        for applied in ("0001_initial\n", ""):
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, env=os.environ | settings
            )
            assert done.stdout == applied
        [slot] = admin.execute(
            "SELECT database, failover FROM pg_replication_slots WHERE slot_name = %s", [SLOT]
        ).fetchall()
        assert slot == ("made_from_outside", True)
        del settings["OUTBOX_CONNECTOR_PASSWORD"]
        refused = subprocess.run(
            command, check=False, capture_output=True, text=True, env=os.environ | settings
        )
        assert (refused.returncode, "OUTBOX_CONNECTOR_PASSWORD" in refused.stderr) == (2, True)
    finally:
        admin.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])
        admin.execute("DROP DATABASE made_from_outside WITH (FORCE)")
