"""The OUTBOX_… environment variables as Markdown, read from the classes that read them."""

from dataclasses import dataclass

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from connectors.definition import PACES, SSL_MODES
from infra.images.connect_settings import ConnectImageSettings
from infra.local.layout import DEFAULT_PORT_BASE
from infra.postgres.migrate import ROLES
from operations.console.settings import ConsoleSettings
from operations.maintain.settings import MaintainSettings
from operations.reconcile.settings import ReconcileSettings
from operations.scheduler.settings import SchedulerSettings
from operations.settings import Settings
from operations.setup.database import password_variable
from producer_app.api.settings import ApiSettings
from stream_processors.kafka_settings import KafkaSecuritySettings, KafkaSettings
from stream_processors.notifications.settings import NotificationsSettings, WebhookSettings
from stream_processors.settings import (
    LedgerWriterSettings,
    LoggingSettings,
    PagesSettings,
    ProcessSettings,
    WorkerSettings,
)


@dataclass(frozen=True, slots=True)
class Variable:
    """One that is read by itself, without a class of settings."""

    name: str
    default: str
    text: str


STACK = (
    Variable("OUTBOX_HOME", "`.outbox/` in the project", "Where the local stack keeps its data."),
    Variable(
        "OUTBOX_PORT_BASE",
        f"`{DEFAULT_PORT_BASE}`",
        "The first of the ports that the local stack listens on.",
    ),
    Variable(
        "OUTBOX_PACE",
        "`quick`",
        f"How often the connector looks for events: {' or '.join(f'`{pace}`' for pace in PACES)} "
        "([pace](operations/pace.md)).",
    ),
    Variable(
        "OUTBOX_POSTGRES_USER",
        "`nobody`",
        "As which user PostgreSQL of the local stack runs where root starts it.",
    ),
    Variable(
        "OUTBOX_MAVEN_REPOSITORY",
        "Maven Central",
        "The root of a mirror to download the jars from.",
    ),
    Variable(
        "OUTBOX_CONNECTOR_SECRETS_FILE",
        "that of the local stack",
        "The file, on the machine of Kafka Connect, that holds the connectors' secrets.",
    ),
    Variable(
        "OUTBOX_CONNECTOR_SSL_MODE",
        "`prefer`",
        f"How the connector reaches PostgreSQL by TLS: one of {', '.join(SSL_MODES)}.",
    ),
    Variable(
        "OUTBOX_CONNECTOR_SSL_CA_FILE",
        "",
        "With `verify-ca` or `verify-full`: the authority's certificate, where Kafka Connect runs.",
    ),
    Variable(
        "OUTBOX_CONNECTOR_SSL_CERTIFICATE_FILE",
        "",
        "The connector's own certificate there, where PostgreSQL asks for one.",
    ),
    Variable(
        "OUTBOX_CONNECTOR_SSL_KEY_FILE",
        "",
        "The key of that certificate there: PKCS #8, in DER or PEM.",
    ),
    Variable("JAVA_HOME", "the packaged runtime", "Another Java for Kafka and Kafka Connect."),
    Variable("NO_COLOR", "", "Set to anything, it leaves colours out, also on a terminal."),
)

SETUP = tuple(
    Variable(password_variable(role), "must be set", f"The password that `{role}` is given.")
    for role in ROLES
)

IMAGES = (
    Variable("OUTBOX_BASE_IMAGE", "that of the Dockerfiles", "What the images are built on."),
    Variable("OUTBOX_BUILD_NETWORK", "Docker's own", "The network of the builds, as `host`."),
)

LINT = (
    Variable(
        "OUTBOX_AUDIT",
        "",
        "`where-reachable` lets `make audit` pass where nobody can be asked.",
    ),
)

SETTINGS: tuple[tuple[str, type[BaseSettings]], ...] = (
    ("Addresses, for every verb; the default is the local stack", Settings),
    ("Kafka's TLS and SASL, for every verb and every process", KafkaSecuritySettings),
    ("`outbox reconcile`, and the scheduler", ReconcileSettings),
    ("`outbox maintain`, and the scheduler", MaintainSettings),
    ("Every process", LoggingSettings),
    ("Every process but the console", PagesSettings),
    ("Every process of `stream_processors`, and the scheduler", KafkaSettings),
    ("The same", ProcessSettings),
    ("The worker", WorkerSettings),
    ("The ledger writer", LedgerWriterSettings),
    ("The notifications", NotificationsSettings),
    ("Each agent of the notifications: `<AGENT>` is `SIGNUP`", WebhookSettings),
    ("The scheduler", SchedulerSettings),
    ("The console", ConsoleSettings),
    ("The application's [HTTP API](application-api.md)", ApiSettings),
    ("The [image of Kafka Connect](operations/containers.md)", ConnectImageSettings),
)
"""Each class with what reads it. What a class inherits from another is listed with that one."""


def variables() -> str:
    """Return all variables, by what reads them."""
    stack = [_row(each.name, each.default, each.text) for each in STACK]
    tables = [_table("The local stack, and every verb", stack)]
    tables += [_table(title, _rows(settings)) for title, settings in SETTINGS]
    setup = [_row(each.name, each.default, each.text) for each in SETUP]
    tables += [_table("`outbox setup database`", setup)]
    tables += [
        _table(title, [_row(each.name, each.default, each.text) for each in listed])
        for title, listed in (
            ("`make images`", IMAGES),
            ("`make lint`", LINT),
        )
    ]
    return "\n\n".join(tables)


def _rows(settings: type[BaseSettings]) -> list[str]:
    prefix = settings.model_config.get("env_prefix", "")
    parents = [base for base in settings.__bases__ if issubclass(base, BaseSettings)]
    inherited = {name for base in parents for name in base.model_fields}
    return [
        _row(_name(prefix, name, field), _default(field), field.description or "")
        for name, field in settings.model_fields.items()
        if name not in inherited
    ]


def _name(prefix: str, name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"{prefix}{name}".upper()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    if field.default is None or field.default_factory is not None:
        return ""
    value = field.default
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _row(name: str, default: str, text: str) -> str:
    return f"| `{name}` | {default} | {' '.join(text.split())} |"


def _table(title: str, rows: list[str]) -> str:
    return "\n".join([f"### {title}", "", "| variable | default | |", "|---|---|---|", *rows])
