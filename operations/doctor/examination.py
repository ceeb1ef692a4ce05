"""Looks at everything side by side, whatever of it can be reached; a check that fails is a line."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec

import psycopg
from confluent_kafka import KafkaException

from connectors.apply import Overview, Site, overview
from connectors.client import ConnectClient
from connectors.definition import Definition, load_definitions
from connectors.errors import ConnectorError, DatabaseUnreachableError
from connectors.source import read_source
from infra.local.layout import Layout
from infra.local.programs import is_broker
from infra.local.status import ProcessStatus, process_statuses
from operations.connector_sites import connector_secrets_file
from operations.doctor import connect, database, kafka, processes, source, versions
from operations.doctor.copies import copies
from operations.doctor.failover import failover
from operations.doctor.finding import Finding, fault
from operations.doctor.guards import guards
from operations.doctor.rights import rights
from operations.failures import UnreachableError
from operations.settings import Settings

Subjects = ParamSpec("Subjects")

START = "`outbox status`, then `outbox up`"
_CONNECT_SECONDS = 5
_RETRY_SECONDS = 3.0
# Without Kafka, Connect does not answer for a long time.
_REQUEST_SECONDS = 8.0
_OPTIONS = "-c statement_timeout=30s -c default_transaction_read_only=on"
_DATABASE_CHECKS: dict[str, Callable[[psycopg.Connection], Iterable[Finding]]] = {
    "server": database.server_version,
    "migrations": database.migrations,
    "rights": rights,
    "guards": guards,
    "partitions": database.partitions_ahead,
    "default partition": database.default_partition,
    "receipts": database.receipts,
    "exceptions": database.exceptions,
    "seals": database.seals,
}
_KAFKA_CHECKS: dict[str, Callable[[kafka.Cluster], Iterable[Finding]]] = {
    "topics": kafka.topics,
    "copies": copies,
    "readers": kafka.readers,
    "positions": kafka.positions,
}


@dataclass(frozen=True, slots=True)
class Report:
    """All lines. `unreachable`: the services that did not answer, whose checks were left out."""

    findings: Sequence[Finding]
    unreachable: frozenset[str] = field(default_factory=frozenset)


def examine(settings: Settings, layout: Layout) -> Report:
    """Look at everything; raises nothing of what it finds."""
    with ThreadPoolExecutor(4) as pool:
        # First to be asked, since slot and connector are judged together.
        from_connect = pool.submit(_look_at_connect, settings, layout)
        parts = [
            pool.submit(_processes, layout),
            pool.submit(_database, settings, from_connect.result),
            pool.submit(_kafka, settings),
        ]
        reports = [part.result() for part in parts]
        reports.insert(2, from_connect.result().report)
    return Report(
        [finding for report in reports for finding in report.findings],
        frozenset().union(*(report.unreachable for report in reports)),
    )


def guarded(
    name: str,
    check: Callable[Subjects, Iterable[Finding]],
    *subjects: Subjects.args,
    **named: Subjects.kwargs,
) -> list[Finding]:
    """Return what a check finds; where it fails itself, that is what was found."""
    try:
        return list(check(*subjects, **named))
    except Exception as error:  # noqa: BLE001 - a doctor who falls silent hides what he was asked
        reason = " ".join(str(error).split()) or repr(error)
        text = f"could not be looked at: {type(error).__name__}: {reason}"
        return [fault(name, text, START)]


def _missing(service: str, reason: object, left_out: Iterable[str]) -> Report:
    # What follows on the first line are guesses of the client's.
    why = str(reason).strip().partition("\n")[0].rstrip(".")
    text = f"cannot be reached: {why}. Not looked at: {', '.join(left_out)}"
    return Report([fault(service, text, START)], frozenset({service}))


def _processes(layout: Layout) -> Report:
    """Look at the local stack, if there is one, and at the libraries of this command."""
    findings = guarded("client libraries", versions.clients)
    if layout.secrets.exists():
        statuses: list[ProcessStatus] = process_statuses(layout)
        pid = next((each.pid for each in statuses if is_broker(each.name) and each.pid), None)
        findings += guarded("broker", versions.broker, pid)
        findings += guarded("processes", processes.processes, layout, statuses)
        findings += guarded("scheduler", processes.scheduler, layout, statuses)
    return Report(findings)


@dataclass(frozen=True, slots=True)
class _FromConnect:
    report: Report
    definitions: Sequence[Definition]
    seen: dict[str, Overview] = field(default_factory=dict)


def _look_at_connect(settings: Settings, layout: Layout) -> _FromConnect:
    definitions = load_definitions(connector_secrets_file(layout))
    left_out = ("connector", "versions of Connect and its plug-in")
    try:
        url, database_url = settings.need("connect_url"), settings.need("database_url")
    except UnreachableError as error:
        return _FromConnect(_missing("connect", error, left_out), definitions)
    findings: list[Finding] = []
    seen: dict[str, Overview] = {}
    with ConnectClient(
        url,
        _RETRY_SECONDS,
        request_seconds=_REQUEST_SECONDS,
        security=settings.connect_security,
    ) as client:
        try:
            version = client.version()
        except ConnectorError as error:
            return _FromConnect(_missing("connect", error, left_out), definitions)
        for definition in definitions:
            site = Site(client, definition, database_url)
            findings += guarded("connect", connect.versions, site, version)
            findings += guarded("connector", _connector, site, seen)
    return _FromConnect(Report(findings), definitions, seen)


def _connector(site: Site, seen: dict[str, Overview]) -> Iterable[Finding]:
    name = site.definition.name
    # Where the database is away, its own line says so.
    with contextlib.suppress(DatabaseUnreachableError):
        seen[name] = overview(site)
    untrusted = name in seen and seen[name].fault is not None
    yield from connect.connector(site, untrusted=untrusted)


def _database(settings: Settings, from_connect: Callable[[], _FromConnect]) -> Report:
    names = [*_DATABASE_CHECKS, "publication", "slot", "kept WAL", "failover"]
    try:
        url = settings.need("database_url")
        connection = psycopg.connect(
            url, autocommit=True, connect_timeout=_CONNECT_SECONDS, options=_OPTIONS
        )
    except (psycopg.OperationalError, UnreachableError) as error:
        return _missing("postgres", error, names)
    findings: list[Finding] = []
    with connection:
        for name, check in _DATABASE_CHECKS.items():
            findings += guarded(name, check, connection)
        known = from_connect()
        for definition in known.definitions:
            seen = known.seen.get(definition.name)
            findings += guarded("slot", _source, url, definition, seen)
            name = definition.slot_name
            findings += guarded("kept WAL", source.kept_wal, connection, name)
            findings += guarded("failover", failover, connection, name)
    return Report(findings)


def _source(url: str, definition: Definition, seen: Overview | None) -> Iterable[Finding]:
    names = (definition.slot_name, definition.publication_name, definition.table)
    found = read_source(url, *names) if seen is None else seen.source
    yield from source.publication(found)
    yield from source.slot(found, None if seen is None else seen.stored)


def _kafka(settings: Settings) -> Report:
    servers = settings.kafka_bootstrap_servers
    try:
        cluster = kafka.look_at_cluster(settings.brokers(), settings.scale)
    except KafkaException as error:
        return _missing("kafka", f"{error.args[0].str()}, at {servers}", _KAFKA_CHECKS)
    except UnreachableError as error:
        return _missing("kafka", error, _KAFKA_CHECKS)
    findings: list[Finding] = []
    for name, check in _KAFKA_CHECKS.items():
        findings += guarded(name, check, cluster)
    return Report(findings)
