"""(d) of the report, outbox + RabbitMQ: `python -m benchmarks.side_by_side.rabbit`.

The relay takes what is pending as the publisher does, hands it to a durable queue, and marks it
once the broker has it on disk. The consumer bills each message in a transaction of its own and
acknowledges it after the commit: what is delivered twice is billed once, by the ledger's ids.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import aio_pika
import click
import psutil
import psycopg
from aio_pika import DeliveryMode, Message

from benchmarks.side_by_side.broker import broker
from benchmarks.side_by_side.publisher import CHANNEL, notified, publish_pending
from benchmarks.side_by_side.rules import Event, bill
from infra.local.errors import ProcessFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

    from benchmarks.side_by_side.stack import BenchmarkStack

_QUEUE = "services.session"
# As many as a publisher takes at once; the next message is there when one is billed.
_UNACKNOWLEDGED_MAX = 100
_READY = "ready\n"


@contextmanager
def rabbit_processes(
    stack: BenchmarkStack, database_url: str
) -> Iterator[dict[str, psutil.Process]]:
    """Run a broker, a relay and a consumer for a database; give each by its name."""
    with broker(stack.layout) as running, ExitStack() as processes:
        pids = {
            name: processes.enter_context(_ready(name, database_url, running.url))
            for name in ("consumer", "relay")
        }
        yield {name: psutil.Process(pid) for name, pid in {"rabbitmq": running.pid, **pids}.items()}


@contextmanager
def _ready(name: str, *arguments: str) -> Iterator[int]:
    """Run the relay or the consumer from the moment it can work; gives its pid."""
    command = [sys.executable, "-m", __name__, name, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline() != _READY:
                raise ProcessFailedError(f"the {name} does not start")
            yield process.pid
        finally:
            process.kill()


@click.group()
def main() -> None:
    """Run the relay, or the consumer."""


@main.command()
@click.argument("database_url")
@click.argument("broker_url")
def relay(database_url: str, broker_url: str) -> None:
    """Hand pending events to the broker, for ever."""
    with psycopg.connect(database_url, autocommit=True) as outbox, asyncio.Runner() as runner:
        channel = runner.run(_channel(broker_url))
        outbox.execute(f"LISTEN {CHANNEL}")
        _say_ready()
        while True:
            notified(outbox)
            publish_pending(outbox, lambda events: runner.run(_publish(channel, events)))


@main.command()
@click.argument("database_url")
@click.argument("broker_url")
def consumer(database_url: str, broker_url: str) -> None:
    """Bill what the broker delivers, for ever."""
    with psycopg.connect(database_url, autocommit=True) as ledger:
        asyncio.run(_consume(broker_url, ledger))


async def _channel(broker_url: str) -> AbstractChannel:
    """Open a channel whose broker confirms what it is given, and declare the queue."""
    # Where nothing happens the relay waits for PostgreSQL, and answers no heartbeat.
    connection = await aio_pika.connect(f"{broker_url}?heartbeat=0")
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    await channel.declare_queue(_QUEUE, durable=True)
    return channel


async def _publish(channel: AbstractChannel, events: Sequence[Event]) -> None:
    """Publish events in their order; return when the broker has confirmed them all."""
    confirmed = [
        channel.default_exchange.publish(_message(event), routing_key=_QUEUE) for event in events
    ]
    await asyncio.gather(*confirmed)


async def _consume(broker_url: str, ledger: psycopg.Connection[Any]) -> None:
    channel = await _channel(broker_url)
    await channel.set_qos(prefetch_count=_UNACKNOWLEDGED_MAX)
    queue = await channel.get_queue(_QUEUE)
    async with queue.iterator() as messages:
        _say_ready()
        async for message in messages:
            with ledger.transaction():
                bill(ledger, _event(message))
            await message.ack()


def _message(event: Event) -> Message:
    return Message(
        event.payload.encode(),
        headers={"aggregateId": event.aggregate_id},
        message_id=event.id,
        type=event.event_type,
        delivery_mode=DeliveryMode.PERSISTENT,
    )


def _event(message: AbstractIncomingMessage) -> Event:
    return Event(
        message.message_id or "",
        str(message.headers["aggregateId"]),
        message.type or "",
        message.body.decode(),
    )


def _say_ready() -> None:
    sys.stdout.write(_READY)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
