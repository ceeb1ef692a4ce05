"""Where our connectors run, and which database they read, as the settings say."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.apply import Site
from connectors.client import ConnectClient
from connectors.definition import load_definitions
from infra.local.connect import secrets_file
from infra.local.layout import Layout, layout_from_environment
from operations.settings import Settings, load_settings

SECRETS_FILE = "OUTBOX_CONNECTOR_SECRETS_FILE"
TIMEOUT_SECONDS = 60.0


def connector_secrets_file(layout: Layout) -> Path:
    """Return where Kafka Connect finds the address and the password of the database.

    Elsewhere than in the local stack of `layout` where the environment says so.
    """
    return Path(os.environ.get(SECRETS_FILE) or secrets_file(layout))


@contextmanager
def connector_sites(
    timeout: float = TIMEOUT_SECONDS,
    settings: Settings | None = None,
    make_client: Callable[..., ConnectClient] = ConnectClient,
) -> Iterator[tuple[Site, ...]]:
    """Every connector of ours, where the settings say; `make_client` decides how long to ask."""
    settings = settings or load_settings()
    secrets = connector_secrets_file(layout_from_environment())
    with make_client(settings.need("connect_url"), security=settings.connect_security) as client:
        database_url = settings.need("database_url")
        yield tuple(
            Site(client, definition, database_url, timeout)
            for definition in load_definitions(secrets)
        )
