"""What programs need to know to use a running stack: `outbox env`."""

import json

from infra.local.credentials import Credentials, load_credentials
from infra.local.errors import StackError
from infra.local.files import write_private
from infra.local.kafka import topic_scale
from infra.local.layout import Layout
from infra.local.postgres import SUPERUSER, database_url
from infra.local.programs import console_endpoint
from schemas.topics import Scale

OWNER = "outbox_owner"
APPLICATION = "outbox_application"

StackEnvironment = dict[str, str | None]
"""Names as INTERFACE has them; URLs as libpq takes them; None for what the stack has not."""


def stack_environment(layout: Layout, credentials: Credentials) -> StackEnvironment:
    """How to reach everything that the stack runs."""
    return {
        "admin_database_url": database_url(layout, SUPERUSER, credentials.superuser),
        "database_url": database_url(layout, OWNER, credentials.roles[OWNER]),
        "app_database_url": database_url(layout, APPLICATION, credentials.roles[APPLICATION]),
        "kafka_bootstrap_servers": layout.kafka_bootstrap_servers,
        "connect_url": layout.connect_url,
        "console_url": console_endpoint(layout).address,
        **_scale(layout),
    }


def _scale(layout: Layout) -> StackEnvironment:
    """Tell what topics are like, by the names of the settings, where that is not the default."""
    scale = topic_scale(layout)
    if scale == Scale():
        return {}
    return {
        "topic_partitions": str(scale.partitions),
        "topic_replication_factor": str(scale.replication_factor),
        "topic_min_insync_replicas": str(scale.min_insync_replicas),
    }


def write_environment(layout: Layout, credentials: Credentials) -> None:
    """Leave it where other commands of this OUTBOX_HOME find it."""
    text = json.dumps(stack_environment(layout, credentials), indent=2)
    write_private(layout.environment, f"{text}\n")


def require_environment(layout: Layout) -> StackEnvironment:
    """Return what a start has generated; raises StackError before the first one."""
    credentials = load_credentials(layout.secrets)
    if credentials is None:
        raise StackError(f"There is no stack in {layout.home} yet. Start it with `outbox up`.")
    return stack_environment(layout, credentials)
