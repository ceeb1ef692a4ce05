"""Outbox + RabbitMQ in the benchmark, without a broker."""

from typing import Any, cast

import pytest
from aio_pika import DeliveryMode

from benchmarks.side_by_side import rabbit, systems
from benchmarks.side_by_side.rules import Event


def test_what_the_consumer_bills_is_the_event_that_the_relay_took_from_the_outbox() -> None:
    event = Event("5c3a", "session-7", "services.session.completed", '{"sessionId": "Zürich"}')
    assert rabbit._event(cast("Any", rabbit._message(event))) == event


def test_a_message_outlives_the_broker() -> None:
    message = rabbit._message(Event("5c3a", "session-7", "services.session.completed", "{}"))
    assert message.delivery_mode == DeliveryMode.PERSISTENT


def test_where_rabbitmq_is_not_installed_it_is_left_out_and_that_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(systems, "broker_program", lambda: None)
    chosen = systems.installed(systems.SYSTEMS)
    assert set(systems.SYSTEMS) - set(chosen) == {systems.RABBITMQ}
    [line] = capsys.readouterr().err.splitlines()
    assert "RabbitMQ is left out" in line


def test_where_it_is_installed_or_not_asked_for_nothing_is_left_out_and_nothing_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(systems, "broker_program", lambda: "rabbitmq-server")
    assert systems.installed(systems.SYSTEMS) == list(systems.SYSTEMS)
    monkeypatch.setattr(systems, "broker_program", lambda: None)
    assert systems.installed([systems.NOTIFY]) == [systems.NOTIFY]
    assert capsys.readouterr().err == ""
