"""Our own processes: processors, ledger writer, keeper, scheduler, notifications, console."""

import sys

from infra.local.connect import secrets_file
from infra.local.credentials import Credentials
from infra.local.errors import StackError
from infra.local.layout import HOST, Layout
from infra.local.postgres import database_url
from infra.local.programs import (
    CONNECTOR_KEEPER,
    CONSOLE,
    LEDGER_WRITER,
    NOTIFICATIONS,
    SCHEDULER,
    Program,
    worker_name,
)
from stream_processors.environment import SettingsError
from stream_processors.notifications.settings import chosen_agents

LEDGER_WRITER_ROLE = "outbox_ledger_writer"
AUDITOR_ROLE = "outbox_auditor"
OWNER_ROLE = "outbox_owner"


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


def connector_keeper_program(layout: Layout, credentials: Credentials) -> Program:
    """Return the process that starts failed connectors again; it only looks at the database."""
    return Program(
        name=CONNECTOR_KEEPER,
        command=[sys.executable, "-m", "operations.keeper"],
        environment={
            "OUTBOX_CONNECT_URL": layout.connect_url,
            "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": layout.kafka_bootstrap_servers,
            "OUTBOX_DATABASE_URL": database_url(
                layout, AUDITOR_ROLE, credentials.roles[AUDITOR_ROLE]
            ),
            "OUTBOX_CONNECTOR_SECRETS_FILE": str(secrets_file(layout)),
            "OUTBOX_HEALTH_PORT": str(layout.connector_keeper_port),
        },
    )


def scheduler_program(layout: Layout, credentials: Credentials) -> Program:
    """Return the process that runs what is due every minute and every day, as the owner."""
    url = database_url(layout, OWNER_ROLE, credentials.roles[OWNER_ROLE])
    environment = {"OUTBOX_DATABASE_URL": url}
    port = layout.scheduler_port
    return _processor(SCHEDULER, "operations.scheduler", layout, port, environment)


def console_program(layout: Layout, credentials: Credentials) -> Program:
    """Return the pages for people; what they do there is done as the owner."""
    return Program(
        name=CONSOLE,
        command=[sys.executable, "-m", "operations.console"],
        environment={
            "OUTBOX_HOME": str(layout.home),
            "OUTBOX_PORT_BASE": str(layout.port_base),
            "OUTBOX_CONNECT_URL": layout.connect_url,
            "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": layout.kafka_bootstrap_servers,
            "OUTBOX_DATABASE_URL": database_url(layout, OWNER_ROLE, credentials.roles[OWNER_ROLE]),
            "OUTBOX_CONNECTOR_SECRETS_FILE": str(secrets_file(layout)),
            "OUTBOX_CONSOLE_HOST": HOST,
            "OUTBOX_CONSOLE_PORT": str(layout.console_port),
        },
    )


def notified() -> list[str]:
    """Return the names of the agents for which a webhook is set in the environment.

    Raises StackError, which names each setting that is wrong.
    """
    try:
        return [agent.name for agent in chosen_agents()]
    except SettingsError as error:
        raise StackError(str(error)) from None


def notifications_program(layout: Layout) -> Program:
    """Return the process that posts to the webhooks that are set in the environment."""
    environment = {
        f"{agent.setting_prefix}{name}": value
        for agent, webhook in chosen_agents().items()
        for name, value in webhook.as_environment().items()
    }
    port = layout.notifications_port
    return _processor(NOTIFICATIONS, "stream_processors.notifications", layout, port, environment)
