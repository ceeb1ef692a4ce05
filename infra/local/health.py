"""Whether each process of the stack does its work, asked as a client would ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.local.programs import POSTGRES, Endpoint, is_broker

PROBE_SECONDS = 2

# Loopback and plain HTTP only: no proxy of the environment, no certificates to load for each.
_pages = httpx.Client(trust_env=False, verify=False, timeout=PROBE_SECONDS)  # noqa: S501


def postgres_answers(database_url: str) -> bool:
    """Whether the server takes a connection and runs a statement."""
    try:
        with psycopg.connect(database_url, connect_timeout=PROBE_SECONDS) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def kafka_answers(address: str) -> bool:
    """Whether the broker gives its metadata, and is one of those it names.

    One that has just started answers before the controller lets it take part, and knows less than
    the others until then.
    """
    settings = {
        "bootstrap.servers": address,
        "log_level": 0,
        "reconnect.backoff.max.ms": 100,  # asked while it starts, the next try should come soon
    }
    try:
        brokers = AdminClient(settings).list_topics(timeout=PROBE_SECONDS).brokers
    except KafkaException:
        return False
    return address in {f"{broker.host}:{broker.port}" for broker in brokers.values()}


def page_is_good(url: str) -> bool:
    """Whether a health page answers 200."""
    answer = _get(url)
    return answer is not None and answer.status_code == httpx.codes.OK


def page_answers(url: str) -> bool:
    """Whether a health page answers at all, well or ill."""
    return read_page(url) is not None


def read_page(url: str) -> Mapping[str, Any] | None:
    """Return what a health page of ours tells; None where it does not answer with an object."""
    return _told(_get(url))


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a process does its work, and what it says in words is wrong with the system.

    `complaints`: its faults, then its notices. `answered`: whether it was there to be asked.
    """

    healthy: bool
    complaints: tuple[str, ...] = ()
    answered: bool = True


def ask(endpoint: Endpoint, admin_url: str) -> Answer:
    """Ask the process behind an endpoint, once: each try may take PROBE_SECONDS."""
    if endpoint.name == POSTGRES:
        return Answer(postgres_answers(admin_url))
    if is_broker(endpoint.name):
        return Answer(kafka_answers(endpoint.address))
    page = None if endpoint.health_url is None else _get(endpoint.health_url)
    told = _told(page) or {}
    return Answer(
        healthy=page is not None and page.status_code == httpx.codes.OK,
        complaints=tuple(
            text for kind in ("faults", "notices") for text in dict(told.get(kind, {})).values()
        ),
        answered=page is not None,
    )


def _get(url: str) -> httpx.Response | None:
    try:
        return _pages.get(url)
    except httpx.TransportError:
        return None


def _told(page: httpx.Response | None) -> Mapping[str, Any] | None:
    try:
        told = None if page is None else page.json()
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
