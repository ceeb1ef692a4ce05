"""A slot that lost its place is refused: by our verbs, and by Debezium when Connect starts it.

Risk 1 of the report, a lost billing event, where no code of ours runs.
"""

import json
import time

import pytest

from connectors.apply import apply
from connectors.errors import DatabaseUnreachableError, PositionUntrustedError
from connectors.source import read_source
from tests.connect_services import SLOT, ConnectServices

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("running_connector")]


def test_no_verb_starts_a_connector_whose_slot_is_gone(services: ConnectServices) -> None:
    services.stop()
    services.drop_slot()
    for verb in ("apply", "resume", "restart", "plan"):
        code, _, err = services.outbox("connectors", verb)
        assert code == 1, verb
        assert f"slot {SLOT} is gone" in err
        assert "outbox connectors recover" in err
    assert not services.slot_exists()


def test_debezium_itself_refuses_a_slot_that_is_gone(services: ConnectServices) -> None:
    services.stop()
    services.drop_slot()
    services.client.resume(services.definition.name)
    assert "no longer available on the server" in services.failure()
    assert not services.slot_exists()


def test_a_slot_dropped_under_a_running_task_ends_the_task(services: ConnectServices) -> None:
    services.drop_slot()
    assert services.failure()
    assert not services.slot_exists()
    code, out, err = services.outbox("connectors", "status", "--output", "json")
    assert code == 1
    assert json.loads(out)[0]["slot"] == "absent"
    assert "outbox connectors recover" in err


def test_debezium_cannot_make_a_slot_even_without_a_stored_offset(
    services: ConnectServices,
) -> None:
    services.stop()
    services.drop_slot()
    services.client._demand("DELETE", f"/connectors/{services.definition.name}/offsets")
    services.client.resume(services.definition.name)
    assert "Creation of replication slot failed" in services.failure()
    assert not services.slot_exists()


def test_a_first_start_without_a_slot_is_refused(services: ConnectServices) -> None:
    services.stop()
    services.drop_slot()
    services.client._demand("DELETE", f"/connectors/{services.definition.name}/offsets")
    with pytest.raises(PositionUntrustedError, match="does not exist"):
        apply(services.site)


def test_a_slot_made_anew_is_refused_by_us(services: ConnectServices) -> None:
    services.stop()
    services.drop_slot()
    services.insert()
    services.make_slot()
    with pytest.raises(PositionUntrustedError, match="made anew"):
        apply(services.site)


def test_a_slot_made_anew_is_refused_by_debezium_itself(services: ConnectServices) -> None:
    services.stop()
    services.drop_slot()
    lost = services.insert()
    services.make_slot()
    services.client.resume(services.definition.name)
    assert "no longer available on the server" in services.failure()
    assert services.delivered(lost, seconds=1) is None


def test_a_slot_that_the_server_invalidated_is_refused(services: ConnectServices) -> None:
    services.invalidate()
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
        assert "Publication autocreation is disabled" in services.failure()
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
        environment.write_text(text.replace(str(services.layout.connect_port(1)), "9"))
        assert services.outbox("connectors", "status")[0] == 3
    finally:
        environment.write_text(text, encoding="utf-8")
