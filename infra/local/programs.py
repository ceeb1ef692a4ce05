"""What the stack consists of: its processes, where each is reached, and how each is run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from infra.local.layout import HOST, Layout, numbered, numbers

POSTGRES = "postgres"
KAFKA = "kafka"
CONNECT = "connect"
LEDGER_WRITER = "ledger-writer"
CONNECTOR_KEEPER = "connector-keeper"
SCHEDULER = "scheduler"
CONSOLE = "console"
NOTIFICATIONS = "notifications"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a process of the stack is reached.

    ``health_url`` answers 200 once it is ready, ``metrics_url`` serves Prometheus' text; None
    where it has none.
    """

    name: str
    port: int
    address: str
    health_url: str | None = None
    metrics_url: str | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """How supervisord runs a process: ``command`` is an argument list.

    Root changes to ``user``, unless that is None; it runs in ``directory``, or in the project's
    where that is None.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    directory: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20


@dataclass(frozen=True, slots=True)
class JavaProgram:
    """A program of Kafka's class path: its process's name, its class, Java's options."""

    name: str
    main_class: str
    options: Sequence[str]


def broker_name(number: int) -> str:
    """Return a broker's name, counted from 1."""
    return numbered(KAFKA, number)


def connect_name(number: int) -> str:
    """Return the name of a worker of Connect, counted from 1."""
    return numbered(CONNECT, number)


def is_broker(name: str) -> bool:
    """Whether a process of this name is a Kafka broker."""
    return name.partition("-")[0] == KAFKA


def is_connect(name: str) -> bool:
    """Whether a process of this name is a worker of Connect: the connector keeper is none."""
    return name == CONNECT or name.startswith(f"{CONNECT}-")


def worker_name(number: int) -> str:
    """Return a stream processor's name, counted from 1: its identity in the consumer group."""
    return f"worker-{number}"


def _page(name: str, port: int) -> Endpoint:
    """Return a process that is known by its health page."""
    address = f"http://{HOST}:{port}"
    return Endpoint(name, port, address, health_url=f"{address}/health")


def _own(name: str, port: int) -> Endpoint:
    """Return a process of ours: each has the pages of stream_processors/engine/health.py."""
    page = _page(name, port)
    return replace(page, metrics_url=f"{page.address}/metrics")


def service_endpoints(layout: Layout) -> list[Endpoint]:
    """Return what others have written: PostgreSQL, the brokers, the workers of Connect."""
    return [
        Endpoint(POSTGRES, layout.postgres_port, f"{HOST}:{layout.postgres_port}"),
        *(
            Endpoint(broker_name(number), layout.broker_port(number), layout.broker_address(number))
            for number in numbers(layout.broker_count)
        ),
        *(
            _page(connect_name(number), layout.connect_port(number))
            for number in numbers(layout.connect_worker_count)
        ),
    ]


def processor_endpoints(layout: Layout, workers: int) -> list[Endpoint]:
    """Return what is ours: the stream processors and the ledger writer."""
    return [
        *(_own(worker_name(number), layout.worker_port(number)) for number in numbers(workers)),
        _own(LEDGER_WRITER, layout.ledger_writer_port),
    ]


def keeper_endpoint(layout: Layout) -> Endpoint:
    """Return what starts failed connectors again."""
    return _own(CONNECTOR_KEEPER, layout.connector_keeper_port)


def scheduler_endpoint(layout: Layout) -> Endpoint:
    """Return what reconciles every minute and maintains every day."""
    return _own(SCHEDULER, layout.scheduler_port)


def console_endpoint(layout: Layout) -> Endpoint:
    """Return the pages for people."""
    return _own(CONSOLE, layout.console_port)


def notifications_endpoint(layout: Layout) -> Endpoint:
    """Return what posts to webhooks, best effort."""
    return _own(NOTIFICATIONS, layout.notifications_port)


def notifies(layout: Layout) -> bool:
    """Whether the last `outbox up` was told of a webhook."""
    return layout.notifications.exists()


def stack_endpoints(layout: Layout, workers: int) -> list[Endpoint]:
    """Return the whole stack, in the order of `outbox status`."""
    return [
        *service_endpoints(layout),
        *processor_endpoints(layout, workers),
        keeper_endpoint(layout),
        scheduler_endpoint(layout),
        console_endpoint(layout),
        *([notifications_endpoint(layout)] if notifies(layout) else []),
    ]
