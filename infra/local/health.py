"""Whether each process of the stack does its work, asked as a client would ask."""

from collections.abc import Mapping
from typing import Any

import httpx
import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.local.programs import KAFKA, POSTGRES, Endpoint

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


def kafka_answers(bootstrap_servers: str) -> bool:
    """Whether the broker gives its metadata."""
    settings = {
        "bootstrap.servers": bootstrap_servers,
        "log_level": 0,
        "reconnect.backoff.max.ms": 100,  # asked while it starts, the next try should come soon
    }
    try:
        AdminClient(settings).list_topics(timeout=PROBE_SECONDS)
    except KafkaException:
        return False
    return True


def page_is_good(url: str) -> bool:
    """Whether a health page answers 200."""
    try:
        return _pages.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def page_answers(url: str) -> bool:
    """Whether a health page answers at all, well or ill."""
    return read_page(url) is not None


def read_page(url: str) -> Mapping[str, Any] | None:
    """Return what a health page of ours tells; None where it does not answer with an object."""
    try:
        told = _pages.get(url).json()
    except (httpx.TransportError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def complaints(endpoint: Endpoint) -> tuple[str, ...]:
    """Return what a process of ours says of the system in words: its faults, then its notices."""
    told = (read_page(endpoint.health_url) or {}) if endpoint.health_url else {}
    return tuple(
        text for kind in ("faults", "notices") for text in dict(told.get(kind, {})).values()
    )


def is_healthy(endpoint: Endpoint, admin_url: str) -> bool:
    """Whether the process behind an endpoint does its work."""
    if endpoint.name == POSTGRES:
        return postgres_answers(admin_url)
    if endpoint.name == KAFKA:
        return kafka_answers(endpoint.address)
    return endpoint.health_url is not None and page_is_good(endpoint.health_url)
