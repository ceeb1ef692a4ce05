"""The database as a house: one object a file, and the order in which the files build it.

Folders in the order of FOLDERS, files of a folder by name, FOUNDATIONS first. Functions come first
because tables need them (defaults, triggers); their bodies name tables that follow, so they are not
checked when they are made. Roles belong to the server, not to the database, and are made by
`migrate.bootstrap`.
"""

from collections.abc import Iterator
from pathlib import Path

HOME = Path(__file__).parent
FOLDERS = ("functions", "tables", "views", "publications", "grants")
# What others of its folder are built upon comes before them.
FOUNDATIONS = ("recorded_events",)
MIGRATIONS_TABLE = "tables/schema_migrations.sql"
INITIAL_MIGRATION = HOME / "migrations" / "0001_initial.sql"

PREAMBLE = """\
-- Generated from the object files by `python -m infra.postgres.migrate --write-initial`.
-- The file of an object says what it is for; change it there.

SET LOCAL check_function_bodies = off;
"""
PARTITIONS_AT_FIRST = "SELECT create_partitions(14);\n"


def object_files() -> Iterator[Path]:
    """Yield every object file of the database, in the order in which they build it."""
    for folder in FOLDERS:
        yield from sorted(
            (HOME / folder).glob("*.sql"), key=lambda path: (path.stem not in FOUNDATIONS, path)
        )


def role_files() -> list[Path]:
    """Return the file of each role, by name; its stem is the role's name."""
    return sorted((HOME / "roles").glob("*.sql"))


def object_name(path: Path) -> str:
    """Return folder and file, as `tables/domain_events.sql`."""
    return path.relative_to(HOME).as_posix()


def initial_migration() -> str:
    """Return the SQL text of the first migration: what the object files say today.

    Without the table of migrations, which `migrate.apply_migrations` makes before the first one.
    """
    parts = [PREAMBLE]
    for path in object_files():
        name = object_name(path)
        if name != MIGRATIONS_TABLE:
            parts.append(f"-- {name}\n{path.read_text(encoding='utf-8')}")
    parts.append(PARTITIONS_AT_FIRST)
    return "\n".join(parts)
