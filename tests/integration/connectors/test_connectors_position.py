"""A slot that lost its place is refused: by our verbs, and by Debezium when Connect starts it.

Risk 1 of the report, a lost billing event, where no code of ours runs.
"""

import json
import time
from datetime import datetime

import pytest

from connectors.apply import apply
from connectors.errors import DatabaseUnreachableError, PositionUntrustedError
from connectors.source import read_source
from connectors.traces import causes
from tests.connect_services import SLOT, ConnectServices

pytestmark = pytest.mark.timeout(300)

FAILS_WITHIN_SECONDS = 30


@pytest.fixture(autouse=True)
def _running_connector(services: ConnectServices) -> None:
    """A connector that has its place, whatever the test before did to it."""
    name = services.definition.name
    if services.client.config(name) is None:
        services.client.create_stopped(name, services.definition.config)
    stop(services)
    services.client._demand("DELETE", f"/connectors/{name}/offsets")
    services.drop_slot()
    services.make_slot()
    apply(services.site)
    assert services.slot_exists()
    assert services.delivered(services.insert()) is not None


def stop(services: ConnectServices) -> None:
    name = services.definition.name
    services.client.stop(name)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = services.client.status(name)
        if status is not None and status.state == "STOPPED" and not status.tasks:
            return
        time.sleep(0.1)
    raise AssertionError("the connector did not stop")


def failure(services: ConnectServices) -> str:
    """Wait until the task has failed; return its causes."""
    deadline = time.monotonic() + FAILS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        status = services.client.status(services.definition.name)
        if status is not None and status.failures:
            return " / ".join(cause for trace in status.failures for cause in causes(trace))
        time.sleep(0.1)
    raise AssertionError("the task did not fail")


def test_no_verb_starts_a_connector_whose_slot_is_gone(services: ConnectServices) -> None:
    stop(services)
    services.drop_slot()
    for verb in ("apply", "resume", "restart", "plan"):
        code, _, err = services.outbox("connectors", verb)
        assert code == 1, verb
        assert f"slot {SLOT} is gone" in err
        assert "outbox connectors recover" in err
    assert not services.slot_exists()


def test_debezium_itself_refuses_a_slot_that_is_gone(services: ConnectServices) -> None:
    stop(services)
    services.drop_slot()
    services.client.resume(services.definition.name)
    assert "no longer available on the server" in failure(services)
    assert not services.slot_exists()


def test_a_slot_dropped_under_a_running_task_ends_the_task(services: ConnectServices) -> None:
    services.drop_slot()
    assert failure(services)
    assert not services.slot_exists()
    code, out, err = services.outbox("connectors", "status", "--output", "json")
    assert code == 1
    assert json.loads(out)[0]["slot"] == "absent"
    assert "outbox connectors recover" in err


def test_debezium_cannot_make_a_slot_even_without_a_stored_offset(
    services: ConnectServices,
) -> None:
    stop(services)
    services.drop_slot()
    services.client._demand("DELETE", f"/connectors/{services.definition.name}/offsets")
    services.client.resume(services.definition.name)
    assert "Creation of replication slot failed" in failure(services)
    assert not services.slot_exists()


def test_a_first_start_without_a_slot_is_refused(services: ConnectServices) -> None:
    stop(services)
    services.drop_slot()
    services.client._demand("DELETE", f"/connectors/{services.definition.name}/offsets")
    with pytest.raises(PositionUntrustedError, match="does not exist"):
        apply(services.site)


def test_a_slot_made_anew_is_refused_by_us(services: ConnectServices) -> None:
    stop(services)
    services.drop_slot()
    services.insert()
    services.make_slot()
    with pytest.raises(PositionUntrustedError, match="made anew"):
        apply(services.site)


def test_a_slot_made_anew_is_refused_by_debezium_itself(services: ConnectServices) -> None:
    stop(services)
    services.drop_slot()
    lost = services.insert()
    services.make_slot()
    services.client.resume(services.definition.name)
    assert "no longer available on the server" in failure(services)
    assert services.delivered(lost, seconds=1) is None


def invalidate(services: ConnectServices) -> None:
    """Stop the connector, and let the server remove the log that its slot needs."""
    stop(services)
    services.query("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    services.query("SELECT pg_reload_conf()")
    try:
        for _ in range(4):
            services.query("SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000))")
            services.query("SELECT pg_switch_wal()")
        services.query("CHECKPOINT")
    finally:
        services.query("ALTER SYSTEM RESET max_slot_wal_keep_size")
        services.query("SELECT pg_reload_conf()")


def test_a_slot_that_the_server_invalidated_is_refused(services: ConnectServices) -> None:
    invalidate(services)
    with pytest.raises(PositionUntrustedError, match="invalidated by the server"):
        apply(services.site)
    code, out, _ = services.outbox("connectors", "status", "--output", "json")
    assert (code, json.loads(out)[0]["slot"]) == (1, "lost")


def test_a_publication_dropped_under_a_running_task_ends_the_task(
    services: ConnectServices,
) -> None:
    # PostgreSQL 18 goes on without an error and leaves the events out.
    services.query("DROP PUBLICATION outbox_events")
    try:
        assert "Publication autocreation is disabled" in failure(services)
        with pytest.raises(PositionUntrustedError, match="Publication outbox_events"):
            apply(services.site)
    finally:
        services.query(
            "SET ROLE outbox_owner; CREATE PUBLICATION outbox_events FOR TABLE domain_events"
            " WITH (publish = 'insert', publish_via_partition_root = true)"
        )


def test_an_idle_outbox_does_not_hold_back_the_log_of_a_busy_database(
    services: ConnectServices,
) -> None:
    services.query("CREATE TABLE IF NOT EXISTS busy (text text)")
    services.query("INSERT INTO busy SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
    deadline = time.monotonic() + 30
    behind = None
    while time.monotonic() < deadline:
        ((behind,),) = services.query(
            "SELECT pg_current_wal_lsn() - confirmed_flush_lsn FROM pg_replication_slots"
        )
        if behind < 1_000_000:
            break
        time.sleep(0.5)
    services.query("DROP TABLE busy")
    assert behind is not None
    assert behind < 1_000_000


def test_messages_of_others_in_the_log_do_not_stop_the_connector(
    services: ConnectServices,
) -> None:
    services.query("SELECT pg_logical_emit_message(true, 'theirs', 'x')")
    services.query("SELECT pg_logical_emit_message(false, 'theirs', 'x')")
    assert services.delivered(services.insert()) is not None


def test_a_database_that_does_not_answer_is_reported_before_anything_starts() -> None:
    with pytest.raises(DatabaseUnreachableError, match="cannot be reached"):
        read_source("postgresql://nobody@127.0.0.1:9/outbox", SLOT, "p", "public.t")


def test_a_connect_that_does_not_answer_is_exit_code_3(services: ConnectServices) -> None:
    environment = services.layout.environment
    text = environment.read_text(encoding="utf-8")
    try:
        environment.write_text(text.replace(str(services.layout.connect_port), "9"))
        assert services.outbox("connectors", "status")[0] == 3
    finally:
        environment.write_text(text, encoding="utf-8")


def test_recovery_sends_what_was_committed_while_the_slot_was_gone(
    services: ConnectServices,
) -> None:
    stop(services)
    services.drop_slot()
    lost = services.insert()
    services.client.resume(services.definition.name)
    assert failure(services)
    code, out, err = services.outbox("connectors", "recover", "--output", "json")
    assert code == 0, err
    assert json.loads(out)[0]["new_slots"] == [SLOT]
    message = services.delivered(lost)
    assert message is not None
    headers = dict(message.headers())
    ((event_id, created_at),) = services.query(
        "SELECT id, created_at FROM domain_events WHERE aggregate_id = %s", lost
    )
    assert headers["id"].decode() == str(event_id)
    assert datetime.fromisoformat(headers["createdAt"].decode()) == created_at
    assert headers["replayed"] == b"recover"
    assert services.delivered(services.insert()) is not None
    assert services.outbox("connectors", "status")[0] == 0


def test_recovery_sends_to_the_partition_that_debezium_chooses(services: ConnectServices) -> None:
    sessions = [services.insert() for _ in range(20)]
    first = {session: services.delivered(session) for session in sessions}
    services.seen.clear()
    # Nobody writes receipts here, so everything is sent again.
    assert services.outbox("connectors", "recover")[0] == 0
    for session, message in first.items():
        again = services.delivered(session)
        assert message is not None
        assert again is not None
        assert again.partition() == message.partition()
        assert (again.key(), again.value()) == (message.key(), message.value())


def test_recovery_keeps_a_slot_that_can_be_trusted(services: ConnectServices) -> None:
    before = services.query("SELECT catalog_xmin, restart_lsn FROM pg_replication_slots")
    code, out, err = services.outbox("connectors", "recover", "--output", "json")
    assert code == 0, err
    assert json.loads(out)[0]["new_slots"] == []
    assert services.query("SELECT catalog_xmin, restart_lsn FROM pg_replication_slots") >= before


def test_recovery_makes_a_dropped_publication_again(services: ConnectServices) -> None:
    services.query("DROP PUBLICATION outbox_events")
    left_out = services.insert()
    assert failure(services)
    code, out, err = services.outbox("connectors", "recover", "--output", "json")
    assert code == 0, err
    assert json.loads(out)[0]["new_slots"] == [SLOT]
    assert services.delivered(left_out) is not None
    assert services.delivered(services.insert()) is not None


def test_recovery_frees_a_task_that_waits_for_an_invalidated_slot(
    services: ConnectServices,
) -> None:
    invalidate(services)
    services.client.resume(services.definition.name)
    time.sleep(3)
    lost = services.insert()
    code, _, err = services.outbox("connectors", "recover")
    assert code == 0, err
    assert services.delivered(lost) is not None
    for _ in range(10):
        assert services.delivered(services.insert()) is not None
        time.sleep(0.5)
