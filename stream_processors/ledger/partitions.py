"""Makes the daily partitions of the coming days, so that none is ever missing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from stream_processors.ledger.database import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from stream_processors.ledger.database import Database

_log = structlog.get_logger(__name__)

DAYS_AHEAD = 14
_INTERVAL_SECONDS = 3600.0


class PartitionLoop(threading.Thread):
    """Looks every hour; what is there stays as it is."""

    def __init__(
        self,
        database: Database,
        stopping: threading.Event,
        on_fault: Callable[[str, BaseException], None],
    ) -> None:
        super().__init__(name="partitions", daemon=True)
        self._database = database
        self._stopping = stopping
        self._on_fault = on_fault

    def run(self) -> None:
        """Make partitions until the process is asked to end."""
        try:
            while True:
                made = self._database.run(create_partitions, patient=True)
                _log.info("partitions_made", partitions=made, days_ahead=DAYS_AHEAD)
                if self._stopping.wait(_INTERVAL_SECONDS):
                    return
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001 - a silent end would be noticed in two weeks
            self._on_fault("making partitions", error)


def create_partitions(connection: psycopg.Connection) -> int:
    """Make what is missing of the coming days' partitions; return how many were made."""
    row = connection.execute("SELECT create_partitions(%s)", [DAYS_AHEAD]).fetchone()
    return 0 if row is None else int(row[0])
