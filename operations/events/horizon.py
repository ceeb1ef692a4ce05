"""From when on events must be read again, so that none is missed that was committed late.

An event's id and created_at are of its insert, and it can be seen only after its commit: one that
was inserted an hour ago may come now. Who is about to commit one is known to PostgreSQL: whoever
inserts holds a lock on domain_events from before the insert until after the commit can be seen. So
whose lock was there at one look and is gone at the next has ended, and whatever it inserted was
created since the look before the one that saw its lock first.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

_CLOCK_STEP = timedelta(seconds=1)
"""By how much the database's clock may be set back between two looks."""


class Horizon:
    """Where the next reading begins: ask `reach`, read, and `advance` once all of it was read.

    Nothing that was created before `since` is ever in reach.
    """

    def __init__(self, since: datetime) -> None:
        self._looked_at = since
        self._writers: dict[str, datetime] = {}

    def reach(self, writers: Collection[str]) -> datetime:
        """Return from which created_at on to read now, in a snapshot taken after the look.

        `writers`: the transactions that held the lock. What they have inserted may still come, and
        is in reach once they have ended.
        """
        ended = [begun for writer, begun in self._writers.items() if writer not in writers]
        return min([self._looked_at, *ended])

    def advance(self, looked_at: datetime, writers: Collection[str]) -> None:
        """Take a look whose reach was read; `looked_at`: the clock before it listed the locks."""
        self._writers = {
            writer: self._writers.get(writer, self._looked_at) for writer in sorted(writers)
        }
        self._looked_at = max(self._looked_at, looked_at - _CLOCK_STEP)

    @property
    def oldest(self) -> datetime:
        """The oldest created_at that a later reading may begin with."""
        return min([self._looked_at, *self._writers.values()])

    def give_up(self) -> None:
        """Wait no more for what the open transactions have inserted so far."""
        self._writers = dict.fromkeys(self._writers, self._looked_at)
