"""The connector on real PostgreSQL, Kafka and Connect: what arrives, and how it is steered."""

import json
import os
import signal
import statistics
import time
from uuid import UUID

import psycopg
import pytest

from connectors.apply import Site, apply
from connectors.errors import ConnectorTimeoutError, DefinitionInvalidError
from connectors.plan import ActionKind
from operations.connector_acts import restart_if_failed
from tests.connect_services import ConnectServices
from tests.integration.connectors.conftest import BEFORE_THE_FIRST_START

pytestmark = pytest.mark.timeout(300)


def started(services: ConnectServices, process: str) -> int:
    """Return the process id of a service."""
    (status,) = [
        row
        for row in json.loads(services.outbox("status", "--output", "json")[1])
        if row["name"] == process
    ]
    return int(status["pid"])


def test_an_event_written_between_slot_and_first_start_is_delivered(
    services: ConnectServices,
) -> None:
    assert services.delivered(BEFORE_THE_FIRST_START) is not None


def test_a_record_has_the_aggregate_as_key_the_event_in_its_headers_and_the_payload_as_json(
    services: ConnectServices,
) -> None:
    payload = {
        "sessionId": "s-1",
        "evaluatedAt": "2026-11-01T10:00:00.123+02:00",
        "rating": 4.5,
        "extra": {"list": [1, None, "ä", 12345678901234567890, 0.1], "empty": {}},
    }
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with psycopg.connect(services.address("app_database_url"), autocommit=True) as application:
        row = application.execute(
            "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload,"
            " traceparent) VALUES ('session', 's-1', 'services.session.evaluated', %s, %s)"
            " RETURNING id, created_at",
            [json.dumps(payload), trace],
        ).fetchone()
    assert row is not None
    message = services.delivered("s-1")
    assert message is not None
    assert message.topic() == "events.session"
    assert message.key() == b"s-1"
    assert json.loads(message.value()) == payload
    headers = dict(message.headers())
    assert sorted(headers) == ["createdAt", "eventType", "id", "traceparent"]
    assert UUID(headers["id"].decode()) == row[0]
    assert headers["eventType"] == b"services.session.evaluated"
    assert headers["traceparent"] == trace.encode()
    created = row[1].isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert headers["createdAt"].decode().rstrip("Z").ljust(26, "0") == created.rstrip("Z")


def test_every_aggregate_type_has_its_topic(services: ConnectServices) -> None:
    with psycopg.connect(services.address("app_database_url"), autocommit=True) as application:
        application.execute(
            "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) VALUES"
            " ('user', 'u-1', 'user.signup',"
            ' \'{"userId": "u-1", "signedUpAt": "2026-11-01T10:00:00Z"}\')'
        )
    services.consumer.subscribe(["events.session", "events.contract", "events.user"])
    message = services.delivered("u-1")
    assert message is not None
    assert message.topic() == "events.user"


def test_events_of_one_aggregate_keep_the_order_of_their_commits(
    services: ConnectServices,
) -> None:
    services.seen.clear()
    texts = [
        f'{{"sessionId": "s-order", "evaluatedAt": "2026-11-01T10:00:00Z", "n": {number}}}'
        for number in range(50)
    ]
    for text in texts:
        services.insert("s-order", text)
    numbers: list[int] = []
    deadline = time.monotonic() + 30
    while len(numbers) < len(texts) and time.monotonic() < deadline:
        message = services.consumer.poll(0.1)
        if message is not None and message.error() is None and message.key() == b"s-order":
            numbers.append(json.loads(message.value())["n"])
    assert numbers == list(range(50))


def test_commit_to_kafka_takes_milliseconds(services: ConnectServices) -> None:
    services.delivered(services.insert())
    blocks = []
    for _ in range(5):
        waits_ms = []
        for _ in range(20):
            session = services.insert()
            began = time.perf_counter()
            assert services.delivered(session) is not None
            waits_ms.append(1000 * (time.perf_counter() - began))
        blocks.append(statistics.median(waits_ms))
    # The quietest: what else runs on the machine is none of the connector's doing.
    assert min(blocks) < 50


def test_applying_again_changes_nothing(services: ConnectServices) -> None:
    assert apply(services.site).kind is ActionKind.NOTHING


def test_plan_finds_nothing_then_a_changed_key_and_apply_mends_it(
    services: ConnectServices,
) -> None:
    code, out, err = services.outbox("connectors", "plan", "--output", "json")
    assert (code, json.loads(out)[0]["changes"]) == (0, []), err
    changed = {**services.definition.config, "poll.interval.ms": "50", "zombie.password": "seen"}
    services.client.put_config(services.definition.name, changed)
    code, out, err = services.outbox("connectors", "plan", "--output", "json")
    (action,) = json.loads(out)
    assert code == 1, err
    assert action["kind"] == "update"
    assert {"key": "poll.interval.ms", "old": "50", "new": "10"} in action["changes"]
    assert "seen" not in out + err
    code, out, err = services.outbox("connectors", "apply", "--output", "json")
    assert code == 0, err
    assert json.loads(out)[0]["action"] == "update"
    assert services.outbox("connectors", "plan")[0] == 0
    assert services.delivered(services.insert()) is not None


def test_a_definition_that_the_class_rejects_leaves_the_connector_running(
    services: ConnectServices,
) -> None:
    config = {**services.definition.config, "slot.name": "NOT a slot name"}
    broken = type(services.definition)(services.definition.name, config)
    with pytest.raises(DefinitionInvalidError, match=r"slot\.name"):
        apply(Site(services.client, broken, services.address("database_url")))
    assert services.delivered(services.insert()) is not None


def test_a_paused_connector_holds_events_back_and_resumes_with_them(
    services: ConnectServices,
) -> None:
    code, _, err = services.outbox("connectors", "pause")
    assert code == 0, err
    code, out, _ = services.outbox("connectors", "status", "--output", "json")
    assert (code, json.loads(out)[0]["state"]) == (1, "PAUSED")
    session = services.insert()
    assert services.delivered(session, seconds=2) is None
    code, _, err = services.outbox("connectors", "resume")
    assert code == 0, err
    assert services.delivered(session) is not None


def test_a_restart_loses_nothing(services: ConnectServices) -> None:
    before = services.insert()
    code, _, err = services.outbox("connectors", "restart")
    assert code == 0, err
    assert services.delivered(before) is not None
    assert services.delivered(services.insert()) is not None


def test_status_tells_how_far_the_slot_is_behind(services: ConnectServices) -> None:
    code, out, err = services.outbox("connectors", "status", "--output", "json")
    assert code == 0, err
    (row,) = json.loads(out)
    assert row["tasks"] == ["RUNNING"]
    assert row["slot"] == "read"
    assert row["lag_bytes"] >= 0
    assert row["fault"] is None


def test_a_task_that_failed_says_why_and_is_started_again(services: ConnectServices) -> None:
    with services.wrong_password():
        code, _, err = services.outbox("connectors", "status")
        assert code == 1
        assert "password authentication failed" in err
        assert "\tat " not in err
        code, _, err = services.outbox("connectors", "apply")
        assert code == 1
        assert "password authentication failed" in err
    assert restart_if_failed(services.site, "Dana")
    assert not restart_if_failed(services.site, "Dana")
    assert services.delivered(services.insert()) is not None


def test_a_killed_postgresql_is_found_again_within_seconds(services: ConnectServices) -> None:
    assert services.delivered(services.insert()) is not None
    os.kill(started(services, "postgres"), signal.SIGKILL)
    deadline = time.monotonic() + 60
    session = None
    while session is None and time.monotonic() < deadline:
        try:
            session = services.insert()
        except psycopg.OperationalError:
            time.sleep(0.1)
    assert session is not None
    assert services.delivered(session, seconds=30) is not None
    assert apply(services.site).kind is ActionKind.NOTHING


def test_a_killed_connect_goes_on_where_it_was(services: ConnectServices) -> None:
    os.kill(started(services, "connect"), signal.SIGKILL)
    sessions = [services.insert() for _ in range(20)]
    assert all(services.delivered(session, seconds=90) for session in sessions)
    assert apply(services.site).kind in (ActionKind.NOTHING, ActionKind.UPDATE)


def test_a_state_that_does_not_come_is_reported_with_what_was_seen(
    services: ConnectServices,
) -> None:
    hasty = Site(services.client, services.definition, services.address("database_url"), 0.0)
    services.client.pause(services.definition.name)
    with pytest.raises(ConnectorTimeoutError, match=r"task 0|no task"):
        apply(hasty)
    assert apply(services.site).kind is ActionKind.UPDATE


def test_deleting_asks_for_yes_and_keeps_the_slot_and_the_place(
    services: ConnectServices,
) -> None:
    code, _, err = services.outbox("connectors", "delete")
    assert code == 2
    assert "--yes" in err
    code, _, err = services.outbox("connectors", "delete", "--yes")
    assert code == 0, err
    assert "keeps all WAL" in err
    assert services.slot_exists()
    assert services.outbox("connectors", "plan")[0] == 1
    assert services.outbox("connectors", "status")[0] == 1
    assert services.outbox("connectors", "pause")[0] == 1
    session = services.insert()
    assert apply(services.site).kind is ActionKind.CREATE
    assert services.delivered(session) is not None
