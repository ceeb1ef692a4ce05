"""How the processes are: those of the local stack, or those that run elsewhere, by their addresses.

Elsewhere (containers, Kubernetes) somebody else starts them and knows their process ids; what each
says of itself is asked of its page, and the services are asked as a client would.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connectors.client import ConnectClient
from connectors.errors import ConnectorError
from infra.local.health import PROBE_SECONDS, Answer, ask, postgres_answers
from infra.local.layout import Layout
from infra.local.programs import CONNECT, KAFKA, POSTGRES, Endpoint, stack_endpoints
from infra.local.status import RUNNING, ProcessStatus, known_workers, process_statuses
from operations.failures import UnreachableError
from operations.output import SILENT
from operations.settings import Settings

SILENT_STATE = "silent"
"""The state of a process elsewhere that does not answer."""


class Processes:
    """All processes; `look` asks each anew."""

    def __init__(self, settings: Settings, layout: Layout) -> None:
        self._settings = settings
        self._layout = layout

    def look(self) -> list[ProcessStatus]:
        """Return how each is now, running or not."""
        if not self._settings.processes:
            return process_statuses(self._layout)
        asked: list[Callable[[], ProcessStatus]] = [
            partial(self._service, POSTGRES, "database_url", self._postgres_answers),
            partial(self._service, KAFKA, "kafka_bootstrap_servers", self._kafka_answers),
            partial(self._service, CONNECT, "connect_url", self._connect_answers),
            *(
                partial(_process, name, address)
                for name, address in self._settings.processes.items()
            ),
        ]
        with ThreadPoolExecutor(len(asked)) as pool:
            return list(pool.map(lambda look: look(), asked))

    def health_urls(self) -> Mapping[str, str]:
        """Return where each process of ours tells of itself, by its name."""
        elsewhere = self._settings.processes
        if elsewhere:
            return {name: f"{address}/health" for name, address in elsewhere.items()}
        endpoints = stack_endpoints(self._layout, known_workers(self._layout))
        return {each.name: each.health_url for each in endpoints if each.health_url}

    def _service(self, name: str, setting: str, answers: Callable[[], bool]) -> ProcessStatus:
        try:
            address = self._settings.need(setting)
        except UnreachableError as error:
            return _status(
                name, "", Answer(healthy=False, complaints=(str(error),), answered=False)
            )
        # A connection string holds a password.
        shown = _without_password(address) if name == POSTGRES else address
        there = answers()
        return _status(name, shown, Answer(there, answered=there))

    def _postgres_answers(self) -> bool:
        return postgres_answers(self._settings.need("database_url"))

    def _kafka_answers(self) -> bool:
        try:
            self._admin.list_topics(timeout=PROBE_SECONDS)
        except KafkaException:
            return False
        return True

    def _connect_answers(self) -> bool:
        url, security = self._settings.need("connect_url"), self._settings.connect_security
        try:
            with ConnectClient(url, 0.0, request_seconds=PROBE_SECONDS, security=security) as asked:
                asked.version()
        except ConnectorError:
            return False
        return True

    @cached_property
    def _admin(self) -> AdminClient:
        # Kept: to make one, with TLS, takes longer than the question.
        return AdminClient({**self._settings.brokers().client, "log_level": 0}, logger=SILENT)


def _process(name: str, address: str) -> ProcessStatus:
    endpoint = Endpoint(name, 0, address, f"{address}/health", f"{address}/metrics")
    return _status(name, address, ask(endpoint, ""), endpoint)


def _status(
    name: str, address: str, answer: Answer, endpoint: Endpoint | None = None
) -> ProcessStatus:
    return ProcessStatus(
        name=name,
        pid=None,
        state=RUNNING if answer.answered else SILENT_STATE,
        healthy=answer.healthy,
        address=address,
        health_url=None if endpoint is None else endpoint.health_url,
        metrics_url=None if endpoint is None else endpoint.metrics_url,
        log="",
        complaints=answer.complaints,
    )


def _without_password(url: str) -> str:
    parts = psycopg.conninfo.conninfo_to_dict(url)
    return f"{parts.get('host', '')}:{parts.get('port') or 5432}"
