from collections.abc import Iterator

import psycopg
import pytest

from infra.postgres.errors import SlotUnusableError
from infra.postgres.migrate import SLOT, _refuse_unusable, ensure_slot
from tests.integration.database_rows import complete
from tests.postgres_server import PostgresServer


@pytest.fixture
def slot(postgres_server: PostgresServer, database: str) -> Iterator[str]:
    """The connector's slot on this test's database; gone afterwards."""
    ensure_slot(postgres_server.admin_url, database)
    yield SLOT
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
            "WHERE slot_name = %s",
            [SLOT],
        )


def test_the_slot_is_made_once_and_survives_a_failover(
    postgres_server: PostgresServer, database: str, admin: psycopg.Connection, slot: str
) -> None:
    assert ensure_slot(postgres_server.admin_url, database) is False
    row = admin.execute(
        "SELECT plugin, slot_type, database, failover FROM pg_replication_slots "
        "WHERE slot_name = %s",
        [slot],
    ).fetchone()
    assert row == ("pgoutput", "logical", database, True)


def test_a_slot_of_another_database_is_not_taken(
    postgres_server: PostgresServer, database: str, shared_database: str, slot: str
) -> None:
    with pytest.raises(SlotUnusableError, match=f"{slot} exists for database {database}"):
        ensure_slot(postgres_server.admin_url, shared_database)


def test_a_slot_that_lost_its_log_is_not_taken_for_a_good_one() -> None:
    with pytest.raises(SlotUnusableError, match="outbox connectors recover"):
        _refuse_unusable(("outbox", "pgoutput", "lost"), "outbox")


def test_the_publication_has_inserts_under_the_name_of_the_whole_table(
    owner: psycopg.Connection,
) -> None:
    row = owner.execute(
        "SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot FROM pg_publication "
        "WHERE pubname = 'outbox_events'"
    ).fetchone()
    tables = owner.execute(
        "SELECT tablename FROM pg_publication_tables WHERE pubname = 'outbox_events'"
    ).fetchall()
    assert (row, tables) == ((True, False, False, False, True), [("domain_events",)])


def test_an_event_comes_through_the_slot_and_nothing_else_does(
    owner: psycopg.Connection, admin: psycopg.Connection, slot: str
) -> None:
    # The slot shows what has reached the disk; this server's default is not to wait for that.
    owner.execute("SET synchronous_commit = on")
    owner.execute("INSERT INTO mentor_prices VALUES ('m', 'standard', 1, 'USD', now())")
    event = complete(owner, "session-of-the-log")
    changes = admin.execute(
        "SELECT data FROM pg_logical_slot_get_binary_changes("
        "%s, NULL, NULL, 'proto_version', '1', 'publication_names', 'outbox_events')",
        [slot],
    ).fetchall()
    inserted = [bytes(data) for (data,) in changes if bytes(data)[:1] == b"I"]
    assert len(inserted) == 1
    assert str(event.id).encode() in inserted[0]
    # Bytes 1 to 4 of either message are the relation's id: the root's, whatever the partition.
    relation = next(
        bytes(data)
        for (data,) in changes
        if bytes(data)[:1] == b"R" and bytes(data)[1:5] == inserted[0][1:5]
    )
    assert relation[5:].startswith(b"public\x00domain_events\x00")
