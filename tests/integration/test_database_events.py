import uuid
from datetime import timedelta

import psycopg
import pytest
from psycopg import errors

from tests.integration.database_rows import (
    COMPLETED,
    complete,
    completed_payload,
    insert_event,
)

OPERATIONS = ["UPDATE domain_events SET payload = '{}'", "DELETE FROM domain_events"]
ON_PARTITIONS = [
    "UPDATE {} SET payload = '{{}}'",
    "DELETE FROM {}",
    "TRUNCATE {}",
]


def test_an_application_gets_id_and_time_of_what_it_inserts(
    application: psycopg.Connection, owner: psycopg.Connection
) -> None:
    event = complete(application, "session-1")
    assert event.id.version == 7
    now = owner.execute("SELECT clock_timestamp()").fetchone()
    assert now is not None
    assert timedelta(0) <= now[0] - event.created_at < timedelta(seconds=10)


def test_ids_ascend_in_the_order_of_insertion(application: psycopg.Connection) -> None:
    rows = application.execute(
        "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) "
        "SELECT 'session', payload ->> 'sessionId', %s, payload FROM ("
        "  SELECT jsonb_set(%s::jsonb, '{sessionId}', to_jsonb('session-' || number)) AS payload "
        "  FROM generate_series(1, 2000) AS number"
        ") AS events RETURNING id",
        [COMPLETED, psycopg.types.json.Jsonb(completed_payload("?"))],
    ).fetchall()
    ids = [row[0] for row in rows]
    assert ids == sorted(set(ids))


def test_the_time_in_an_id_is_the_time_of_the_insert(application: psycopg.Connection) -> None:
    event = complete(application, "session-1")
    milliseconds = event.id.int >> 80
    assert abs(milliseconds / 1000 - event.created_at.timestamp()) < 1


def test_a_payload_that_breaks_its_schema_is_refused_and_the_field_named(
    application: psycopg.Connection,
) -> None:
    payload = completed_payload("session-1")
    del payload["mentorId"]
    with pytest.raises(errors.CheckViolation, match="mentorId"):
        insert_event(application, COMPLETED, payload)


def test_an_aggregate_id_that_is_not_the_payloads_is_refused(
    application: psycopg.Connection,
) -> None:
    with pytest.raises(errors.CheckViolation, match="aggregate_id"):
        insert_event(
            application, COMPLETED, completed_payload("session-1"), aggregate_id="session-2"
        )


def test_an_unknown_event_type_is_refused(application: psycopg.Connection) -> None:
    with pytest.raises(errors.CheckViolation, match="exploded"):
        insert_event(application, "services.session.exploded", completed_payload("session-1"))


def test_a_refused_event_undoes_the_business_change_of_its_transaction(
    owner: psycopg.Connection,
) -> None:
    owner.execute("CREATE TABLE business (number int)")

    def complete_a_session() -> None:
        with owner.transaction():
            owner.execute("INSERT INTO business VALUES (1)")
            insert_event(owner, "unknown", completed_payload("session-1"))

    with pytest.raises(errors.CheckViolation):
        complete_a_session()
    assert owner.execute("SELECT count(*) FROM business").fetchone() == (0,)


def test_the_check_holds_for_a_session_that_calls_itself_a_replica(
    scratch: psycopg.Connection,
) -> None:
    scratch.execute("SET session_replication_role = replica")
    with pytest.raises(errors.CheckViolation):
        insert_event(scratch, "unknown", completed_payload("session-1"))


def test_a_trace_context_is_kept_up_to_255_characters(application: psycopg.Connection) -> None:
    insert = (
        "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload, traceparent)"
        " VALUES ('session', 'session-1', %s, %s, %s)"
    )
    payload = psycopg.types.json.Jsonb(completed_payload("session-1"))
    application.execute(insert, [COMPLETED, payload, "t" * 255])
    with pytest.raises(errors.CheckViolation, match="traceparent_length"):
        application.execute(insert, [COMPLETED, payload, "t" * 256])


@pytest.mark.parametrize("statement", [*OPERATIONS, "TRUNCATE domain_events"])
@pytest.mark.parametrize("replication_role", ["origin", "replica"])
def test_an_event_cannot_be_changed_even_by_a_superuser(
    scratch: psycopg.Connection, statement: str, replication_role: str
) -> None:
    complete(scratch, "session-1")
    scratch.execute(f"SET session_replication_role = {replication_role}")
    with (
        pytest.raises(errors.RestrictViolation, match="an event is never changed"),
        scratch.transaction(),
    ):
        scratch.execute(statement)
    assert scratch.execute("SELECT count(*) FROM domain_events").fetchone() == (1,)


@pytest.mark.parametrize("statement", ON_PARTITIONS)
@pytest.mark.parametrize("replication_role", ["origin", "replica"])
def test_an_event_cannot_be_changed_through_its_partition(
    scratch: psycopg.Connection, statement: str, replication_role: str
) -> None:
    event = complete(scratch, "session-1")
    late = scratch.execute(
        "INSERT INTO domain_events SELECT domain_event_id(), aggregate_type, aggregate_id, "
        "event_type, payload, NULL, created_at + interval '1 year' FROM domain_events RETURNING id"
    ).fetchone()
    assert late is not None
    scratch.execute(f"SET session_replication_role = {replication_role}")
    for event_id in (event.id, late[0]):
        with pytest.raises(errors.RestrictViolation), scratch.transaction():
            scratch.execute(statement.format(_partition(scratch, event_id)))
    assert scratch.execute("SELECT count(*) FROM domain_events").fetchone() == (2,)


def _partition(connection: psycopg.Connection, event_id: uuid.UUID) -> str:
    row = connection.execute(
        "SELECT tableoid::regclass::text FROM domain_events WHERE id = %s", [event_id]
    ).fetchone()
    assert row is not None
    name: str = row[0]
    return name


@pytest.mark.parametrize("field", ["contractId", "servicePackageId", "mentorId"])
def test_history_by_a_payloads_field_uses_an_index(scratch: psycopg.Connection, field: str) -> None:
    scratch.execute("SET enable_seqscan = off")
    plan = scratch.execute(
        f"EXPLAIN SELECT id FROM domain_events WHERE payload ->> '{field}' = 'some-id'"
    ).fetchall()
    assert "Seq Scan" not in str(plan)
