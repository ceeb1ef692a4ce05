"""The ledger writer's way to PostgreSQL: a whole outage is waited out, whatever was in hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import psycopg
import structlog
from psycopg.conninfo import make_conninfo

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_log = structlog.get_logger(__name__)

Result = TypeVar("Result")

_RETRY_SECONDS_MAX = 1.0
# Of a link that goes nowhere nothing is heard for a while; a statement of ours is done long before.
_SILENT_SECONDS = 5.0
# A statement that takes longer is a fault of its own, reported as `timeout`. To plan anew for each
# batch takes a quarter of the database's time for a small one, and finds the same plan.
_OPTIONS = (
    "-c statement_timeout=10s -c lock_timeout=3s -c idle_in_transaction_session_timeout=60s "
    "-c plan_cache_mode=force_generic_plan"
)


# A cancelled statement, a lock not had in time, a serialization failure, a deadlock.
PASSING_STATES = frozenset({"57014", "55P03", "40001", "40P01"})


class Stopped(Exception):  # noqa: N818 - not an error: the process was asked to end
    """The process ends while it waits for the database; nothing was acknowledged."""


class Database:
    """One connection, made again whenever it breaks."""

    def __init__(self, url: str, name: str, stopping: threading.Event) -> None:
        self._url = url
        self._name = name
        self._stopping = stopping
        self._connection: psycopg.Connection | None = None
        self._asked_at: float | None = None

    @property
    def reachable(self) -> bool:
        """Whether the connection stood when it was last used, and is not silent since."""
        asked_at = self._asked_at
        silent = asked_at is not None and time.monotonic() - asked_at > _SILENT_SECONDS
        return self._connection is not None and not self._connection.closed and not silent

    def run(self, work: Callable[[psycopg.Connection], Result], *, patient: bool = False) -> Result:
        """Run `work` in one transaction; where the connection breaks, wait and run it again.

        `patient` does so too where a lock, a deadlock or a slow statement was in the way. So `work`
        must be harmless when run twice. Raises psycopg.Error for whatever else is not an outage,
        and Stopped when the process is asked to end meanwhile.
        """
        delay_seconds = 0.05
        while True:
            try:
                self._asked_at = time.monotonic()
                connection = self._connect()
                with connection.transaction():
                    return work(connection)
            except psycopg.Error as error:
                if is_outage(error, self._connection):
                    _log.warning("database_unavailable", loop=self._name, error=str(error))
                    self._drop()
                elif patient and error.sqlstate in PASSING_STATES:
                    _log.warning("database_busy", loop=self._name, error=str(error))
                else:
                    raise
            finally:
                self._asked_at = None
            if self._stopping.wait(delay_seconds):
                raise Stopped
            delay_seconds = min(2 * delay_seconds, _RETRY_SECONDS_MAX)

    def close(self) -> None:
        """Give up the connection."""
        self._drop()

    def _connect(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            started = time.monotonic()
            self._connection = psycopg.connect(
                noticing_a_dead_link(self._url),
                autocommit=True,
                options=_OPTIONS,
                application_name=f"outbox ledger writer: {self._name}",
                connect_timeout=5,
            )
            _log.info("database_connected", loop=self._name, seconds=time.monotonic() - started)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def noticing_a_dead_link(database_url: str) -> str:
    """Return the address of a connection that breaks within 20 s where its link goes nowhere.

    A firewall forgets a connection without a word; by default that is noticed after hours.
    """
    return make_conninfo(
        database_url,
        tcp_user_timeout=20_000,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=2,
    )


def is_outage(error: psycopg.Error, connection: psycopg.Connection | None) -> bool:
    """Whether the database as a whole could not be used, rather than one record in it.

    Class 08 is a broken connection, 57P the server going down or coming up, 53300 no connection
    free; an operational error without a SQLSTATE is a connection that broke or could not be made.
    Whatever else has none was refused by the client before it was sent.
    """
    if connection is None or connection.closed or connection.broken:
        return True
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(("08", "57P")) or state == "53300"
