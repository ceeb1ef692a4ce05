"""Starting the processes of a stack whose files are in place; what can, starts side by side."""

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.apply import apply_connectors
from connectors.errors import PositionUntrustedError
from infra.local.connect import secrets_file
from infra.local.credentials import Credentials
from infra.local.errors import ProcessFailedError, StackError
from infra.local.health import ask, page_answers
from infra.local.kafka import prepare_kafka, topic_scale
from infra.local.layout import Layout, numbers
from infra.local.owner import PostgresOwner
from infra.local.postgres import SUPERUSER, database_url, prepare_postgres
from infra.local.programs import (
    POSTGRES,
    Endpoint,
    broker_name,
    connect_name,
    console_endpoint,
    keeper_endpoint,
    notifications_endpoint,
    notifies,
    processor_endpoints,
    scheduler_endpoint,
    service_endpoints,
)
from infra.local.supervision import Supervisor
from infra.local.waiting import Waiter
from infra.postgres.prepare import prepare_database
from schemas.topic_creation import create_missing_topics, verify_topics
from schemas.topics import TOPICS, scaled

Report = Callable[[str], None]
"""Told, from any thread, of each stage that is done."""


@dataclass(frozen=True, slots=True)
class Startup:
    """The stages of `outbox up`; each waits for those that it needs."""

    layout: Layout
    credentials: Credentials
    owner: PostgresOwner
    jars: Path
    supervisor: Supervisor
    waiter: Waiter
    report: Report

    def run(self, pool: ThreadPoolExecutor, workers: int) -> list[str]:
        """Start everything, wait until it is healthy, and return the faults a person must see.

        ``pool`` has a thread for each stage. Raises the first error of any stage.
        """
        services = {endpoint.name: endpoint for endpoint in service_endpoints(self.layout)}
        postgres = pool.submit(self._postgres, services[POSTGRES])
        brokers = [
            pool.submit(self._kafka, number, services[broker_name(number)])
            for number in numbers(self.layout.broker_count)
        ]
        # Their Java starts meanwhile; they then wait for Kafka by themselves. Several brokers want
        # all the processor's time, and Connect's topics want all of them.
        needed = brokers if self.layout.broker_count > 1 else []
        connect = [
            pool.submit(self._after, needed, self._process, services[connect_name(number)])
            for number in numbers(self.layout.connect_worker_count)
        ]
        topics = pool.submit(self._after, brokers, self._topics)
        connector = pool.submit(self._after, [postgres, topics, *connect], self._connector)
        processors = [
            pool.submit(self._after, [postgres, topics], self._process, endpoint)
            for endpoint in processor_endpoints(self.layout, workers)
        ]
        keeper = pool.submit(self._keeper, connector)
        # With the keeper: before, it would take time from what everything waits for.
        scheduler = pool.submit(self._after, [connector], self._scheduler)
        console = pool.submit(
            self._after, [connector], self._process, console_endpoint(self.layout)
        )
        notifications = pool.submit(self._after, [connector], self._notifications)
        stages: list[Future[Any]] = [
            *(postgres, *brokers, *connect, topics, connector),
            *(keeper, scheduler, console, notifications),
            *processors,
        ]
        done, _ = wait(stages, return_when=FIRST_EXCEPTION)
        for stage in done:
            stage.result()
        self._all_healthy(workers)
        return [*connector.result(), *notifications.result()]

    def _all_healthy(self, workers: int) -> None:
        """Wait until each processor is healthy at last: one that joins disturbs the others."""
        for endpoint in processor_endpoints(self.layout, workers):
            self._wait(endpoint)

    def _after(
        self, needed: list[Future[None]], stage: Callable[..., Any], *arguments: object
    ) -> Any:
        """Run a stage once others are done; raises their error if they failed."""
        for future in needed:
            future.result()
        return stage(*arguments)

    def _process(self, endpoint: Endpoint) -> None:
        """Start one process and wait until it does its work."""
        self.supervisor.start(endpoint.name)
        self._wait(endpoint)
        self.report(f"{endpoint.name} is ready at {endpoint.address}")

    def _wait(self, endpoint: Endpoint) -> None:
        """Wait until a process does its work."""
        admin_url = database_url(
            self.layout, SUPERUSER, self.credentials.superuser, database="postgres"
        )
        self.waiter.until_healthy(endpoint.name, lambda: ask(endpoint, admin_url).healthy)

    def _postgres(self, endpoint: Endpoint) -> None:
        prepare_postgres(self.layout, self.owner, self.credentials.superuser)
        self._process(endpoint)
        url = database_url(self.layout, SUPERUSER, self.credentials.superuser, "postgres")
        applied = prepare_database(url, self.credentials.roles)
        self.report(f"database is up to date ({len(applied)} migrations applied)")

    def _kafka(self, number: int, endpoint: Endpoint) -> None:
        prepare_kafka(self.layout, self.jars, self.credentials.kafka_cluster_id, number)
        self._process(endpoint)

    def _topics(self) -> None:
        wanted = scaled(TOPICS, topic_scale(self.layout))
        created = create_missing_topics(self.layout.brokers, wanted)
        different = verify_topics(self.layout.brokers, wanted)
        if different:
            raise StackError(
                "Kafka's topics are not as schemas/topics.py says: "
                f"{'; '.join(different)}. `outbox setup topics --set-back` gives them their "
                "settings again; where `outbox rebuild --replace` has made more partitions, set "
                "OUTBOX_TOPIC_PARTITIONS."
            )
        self.report(f"topics are there ({len(created)} created)")

    def _keeper(self, connector: Future[list[str]]) -> None:
        """Start the connector keeper. What waits, or must not run, is no fault of the start."""
        connector.result()
        self._watcher(keeper_endpoint(self.layout))

    def _scheduler(self) -> None:
        """Start the scheduler. What it may find wrong with the bills is no fault of the start."""
        self._watcher(scheduler_endpoint(self.layout))

    def _notifications(self) -> list[str]:
        """Start what is best effort, if it is wanted: that it fails stops nothing else."""
        if not notifies(self.layout):
            return []
        try:
            self._process(notifications_endpoint(self.layout))
        except ProcessFailedError as error:
            return [str(error)]
        return []

    def _watcher(self, endpoint: Endpoint) -> None:
        """Start a process that tells what is wrong elsewhere, and wait until it answers."""
        self.supervisor.start(endpoint.name)
        url = str(endpoint.health_url)
        self.waiter.until_healthy(endpoint.name, lambda: page_answers(url))
        self.report(f"{endpoint.name} is ready at {endpoint.address}")

    def _connector(self) -> list[str]:
        """Apply the connector; a lost position is a fault, for which the stack must run on.

        `outbox connectors recover`, the way out of it, needs PostgreSQL, Kafka and Connect.
        """
        admin_url = database_url(self.layout, SUPERUSER, self.credentials.superuser)
        try:
            apply_connectors(self.layout.connect_url, admin_url, secrets_file(self.layout))
        except PositionUntrustedError as error:
            return [str(error)]
        self.report("connector is running")
        return []
