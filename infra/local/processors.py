"""Our own processes: the stream processors and the ledger writer."""

import sys

from infra.local.credentials import Credentials
from infra.local.layout import Layout
from infra.local.postgres import database_url
from infra.local.programs import LEDGER_WRITER, Program, worker_name

LEDGER_WRITER_ROLE = "outbox_ledger_writer"


def _processor(
    name: str, module: str, layout: Layout, port: int, environment: dict[str, str]
) -> Program:
    """Return a Python process of ours with a state folder and a health page."""
    return Program(
        name=name,
        command=[sys.executable, "-m", module],
        environment={
            "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": layout.kafka_bootstrap_servers,
            "OUTBOX_STATE_DIRECTORY": str(layout.state / name),
            "OUTBOX_HEALTH_PORT": str(port),
            **environment,
        },
    )


def worker_program(layout: Layout, number: int) -> Program:
    """Stream processor ``number``, counted from 1."""
    name = worker_name(number)
    environment = {"OUTBOX_WORKER_NAME": name}
    port = layout.worker_port(number)
    return _processor(name, "stream_processors.worker", layout, port, environment)


def ledger_writer_program(layout: Layout, credentials: Credentials) -> Program:
    """Return the one process that posts to the ledger."""
    url = database_url(layout, LEDGER_WRITER_ROLE, credentials.roles[LEDGER_WRITER_ROLE])
    environment = {"OUTBOX_LEDGER_WRITER_DATABASE_URL": url}
    port = layout.ledger_writer_port
    return _processor(LEDGER_WRITER, "stream_processors.ledger", layout, port, environment)
