"""What the pages read from and act on."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, cast

import psycopg
from sqlalchemy import create_engine

from infra.local.health import read_page
from operations.settings import Settings

_CONNECT_SECONDS = 3
_READ_TIMEOUT_MS = 5_000
_ACT_TIMEOUT_MS = 60_000
# An export to a browser that went to sleep must not keep what vacuum wants to clear.
_STALLED_TIMEOUT_MS = 60_000
_READERS_KEPT = 2


class Services:
    """Connections to PostgreSQL.

    A few that read are kept: a new one first learns of a hundred partitions, which takes longer
    than most pages do. Each is asked whether it still lives before it is used again.
    `health_urls`: where our processes tell of themselves, by their name.
    """

    def __init__(self, addresses: Settings, health_urls: Mapping[str, str] | None = None) -> None:
        self.addresses = addresses
        self._health_urls = dict(health_urls or {})
        self._readers = create_engine(
            "postgresql+psycopg://",
            creator=partial(
                self._connect,
                f"-c default_transaction_read_only=on -c statement_timeout={_READ_TIMEOUT_MS} "
                f"-c idle_in_transaction_session_timeout={_STALLED_TIMEOUT_MS}",
            ),
            pool_size=_READERS_KEPT,
            max_overflow=-1,  # more are made as they are needed, and closed after their page
            pool_pre_ping=True,
            pool_use_lifo=True,
        )

    def told_by(self, process: str) -> Mapping[str, Any] | None:
        """Return what a process tells of itself; None where it does not answer."""
        url = self._health_urls.get(process)
        return None if url is None else read_page(url)

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection]:
        """Connect so that nothing can be written, and no page holds the database for long."""
        with closing(self._readers.raw_connection()) as pooled:
            yield cast("psycopg.Connection", pooled.driver_connection)

    @contextmanager
    def acting(self) -> Iterator[psycopg.Connection]:
        """Connect for an act of a person."""
        with self._connect(f"-c statement_timeout={_ACT_TIMEOUT_MS}") as connection:
            yield connection

    def _connect(self, options: str) -> psycopg.Connection:
        return psycopg.connect(
            self.addresses.noticing_a_dead_link().need("database_url"),
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            options=options,
            # A prepared statement would fail for good once a migration changed what it returns.
            prepare_threshold=None,
        )
