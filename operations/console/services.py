"""What the pages read from and act on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from infra.local.health import read_page
from operations.settings import Settings

_CONNECT_SECONDS = 3
_READ_TIMEOUT_MS = 5_000
_ACT_TIMEOUT_MS = 60_000


@dataclass(frozen=True, slots=True)
class Services:
    """Connections to PostgreSQL, each for one request: none that broke meanwhile is ever met.

    `health_urls`: where our processes tell of themselves, by their name.
    """

    addresses: Settings
    health_urls: Mapping[str, str] = field(default_factory=dict)

    def told_by(self, process: str) -> Mapping[str, Any] | None:
        """Return what a process tells of itself; None where it does not answer."""
        url = self.health_urls.get(process)
        return None if url is None else read_page(url)

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection]:
        """Connect so that nothing can be written, and no page holds the database for long."""
        with self._connected(
            f"-c default_transaction_read_only=on -c statement_timeout={_READ_TIMEOUT_MS}"
        ) as connection:
            yield connection

    @contextmanager
    def acting(self) -> Iterator[psycopg.Connection]:
        """Connect for an act of a person."""
        with self._connected(f"-c statement_timeout={_ACT_TIMEOUT_MS}") as connection:
            yield connection

    @contextmanager
    def _connected(self, options: str) -> Iterator[psycopg.Connection]:
        with psycopg.connect(
            self.addresses.need("database_url"),
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            options=options,
        ) as connection:
            yield connection
