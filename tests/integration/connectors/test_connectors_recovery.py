"""`outbox connectors recover`: what was lost before Kafka arrives, in order and also broken off."""

import json
import time
import uuid
from collections.abc import Callable
from datetime import datetime

import psycopg
import pytest

from connectors.apply import apply
from connectors.errors import PositionUntrustedError
from connectors.renewal import renew_slot
from operations.recovery import send_undelivered
from tests.connect_services import SLOT, ConnectServices

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("running_connector")]


def test_recovery_sends_what_was_committed_while_the_slot_was_gone(
    services: ConnectServices,
) -> None:
    services.stop()
    services.drop_slot()
    lost = services.insert()
    services.client.resume(services.definition.name)
    assert services.failure()
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
    assert services.query(
        "SELECT subject, detail ->> 'made_anew' FROM operator_actions"
        " WHERE action = 'connectors.recover' ORDER BY acted_at DESC LIMIT 1"
    ) == [(SLOT, "true")]
    assert services.delivered(services.insert()) is not None
    assert services.outbox("connectors", "status")[0] == 0


def test_recovery_sends_byte_for_byte_what_debezium_sends(services: ConnectServices) -> None:
    sessions = [services.insert() for _ in range(15)]
    # The times and headers that a text could write differently.
    for number, created in enumerate(("12:00:00", "12:00:00.5", "12:00:00.000001+05:30")):
        sessions.append(f"session-{uuid.uuid4()}")
        services.query(
            "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload,"
            " traceparent, created_at) VALUES ('session', %s, 'services.session.evaluated', %s,"
            " %s, %s)",
            sessions[-1],
            json.dumps(
                {"sessionId": sessions[-1], "evaluatedAt": "2026-11-01T10:00:00Z", "größe": 1.50}
            ),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" if number else None,
            f"2026-11-01T{created}",
        )
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
        assert again.headers() == [*message.headers(), ("replayed", b"recover")]


def test_recovery_keeps_a_slot_that_can_be_trusted(services: ConnectServices) -> None:
    before = services.query("SELECT catalog_xmin, restart_lsn FROM pg_replication_slots")
    code, out, err = services.outbox("connectors", "recover", "--output", "json")
    assert code == 0, err
    assert json.loads(out)[0]["new_slots"] == []
    assert services.query("SELECT catalog_xmin, restart_lsn FROM pg_replication_slots") >= before


def test_recovery_makes_a_dropped_publication_again(services: ConnectServices) -> None:
    services.query("DROP PUBLICATION outbox_events")
    left_out = services.insert()
    assert services.failure()
    code, out, err = services.outbox("connectors", "recover", "--output", "json")
    assert code == 0, err
    assert json.loads(out)[0]["new_slots"] == [SLOT]
    assert services.delivered(left_out) is not None
    assert services.delivered(services.insert()) is not None


@pytest.mark.parametrize("left", ["SET (publish = 'update')", "SET TABLE mentor_prices"])
def test_recovery_makes_a_publication_again_that_leaves_events_out(
    services: ConnectServices, left: str
) -> None:
    services.query(f"ALTER PUBLICATION outbox_events {left}")
    left_out = services.insert()
    assert services.delivered(services.insert(), seconds=3) is None
    code, out, err = services.outbox("connectors", "recover", "--output", "json")
    assert code == 0, err
    assert json.loads(out)[0]["new_slots"] == [SLOT]
    assert services.delivered(left_out) is not None
    assert services.delivered(services.insert()) is not None


def test_recovery_frees_a_task_that_waits_for_an_invalidated_slot(
    services: ConnectServices,
) -> None:
    services.invalidate()
    services.client.resume(services.definition.name)
    time.sleep(3)
    lost = services.insert()
    code, _, err = services.outbox("connectors", "recover")
    assert code == 0, err
    assert services.delivered(lost) is not None
    for _ in range(10):
        assert services.delivered(services.insert()) is not None
        time.sleep(0.5)


def evaluated(session: str, number: int) -> str:
    return json.dumps(
        {"sessionId": session, "evaluatedAt": "2026-11-01T10:00:00Z", "number": number}
    )


def arrivals(services: ConnectServices, session: str, count: int) -> list[int]:
    """The numbers of a session's events in the order of their first arrival."""
    numbers: list[int] = []
    deadline = time.monotonic() + 30
    while len(numbers) < count and time.monotonic() < deadline:
        message = services.consumer.poll(0.1)
        if message is not None and message.error() is None and message.key() == session.encode():
            number = json.loads(message.value())["number"]
            numbers += [number] if number not in numbers else []
    return numbers


def renew(services: ConnectServices, send: Callable[[], object]) -> None:
    renew_slot(services.site, services.address("admin_database_url"), services.make_slot, send)


def send_all(services: ConnectServices) -> int:
    return send_undelivered(services.address("database_url"), services.layout.brokers, print)


def test_what_was_lost_is_sent_before_the_connector_sends_what_came_after_it(
    services: ConnectServices,
) -> None:
    services.stop()
    services.drop_slot()
    session = f"session-{uuid.uuid4()}"
    services.insert(session, evaluated(session, 1))

    def send() -> None:
        services.insert(session, evaluated(session, 2))
        time.sleep(1)
        status = services.client.status(services.definition.name)
        assert status is not None
        assert status.state == "STOPPED"
        send_all(services)

    renew(services, send)
    services.insert(session, evaluated(session, 3))
    assert arrivals(services, session, 3) == [1, 2, 3]


def test_recovery_sends_in_the_order_of_commits(services: ConnectServices) -> None:
    services.stop()
    services.drop_slot()
    session = f"session-{uuid.uuid4()}"
    with psycopg.connect(services.address("app_database_url")) as slow:
        slow.execute(
            "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload)"
            " VALUES ('session', %s, 'services.session.evaluated', %s)",
            [session, evaluated(session, 2)],
        )
        services.insert(session, evaluated(session, 1))
    services.insert(session, evaluated(session, 3))
    assert services.outbox("connectors", "recover")[0] == 0
    assert arrivals(services, session, 3) == [1, 2, 3]


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("at", ["the slot", "the sending"])
def test_nothing_starts_a_connector_whose_recovery_was_broken_off(
    services: ConnectServices, at: str, *, stored: bool
) -> None:
    services.stop()
    if not stored:
        services.client._demand("DELETE", f"/connectors/{services.definition.name}/offsets")
    services.drop_slot()
    lost = services.insert()

    def break_off() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        renew_slot(
            services.site,
            services.address("admin_database_url"),
            break_off if at == "the slot" else services.make_slot,
            break_off,
        )
    # As `outbox up` does.
    services.make_slot()
    with pytest.raises(PositionUntrustedError, match="connectors recover"):
        apply(services.site)
    services.client.resume(services.definition.name)
    assert "no longer available on the server" in services.failure()
    code, out, err = services.outbox("connectors", "recover", "--output", "json")
    assert code == 0, err
    assert json.loads(out)[0]["new_slots"] == [SLOT]
    assert services.delivered(lost) is not None
    assert services.delivered(services.insert()) is not None
