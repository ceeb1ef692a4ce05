"""Prices that are missing for a while, or cannot be read."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import psycopg

from tests.faults.acting import Act, admin, pause, verb
from tests.faults.site import Outcome
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.faults.site import Site

_BILLS = 6
_SETTLED_SECONDS = 120.0


def _late(site: Site) -> Outcome:
    """A mentor's price comes late: in time for a retry, or after the last of them."""
    mentor = f"mentor-priced-late-{uuid.UUID(int=site.random.getrandbits(128))}"
    sessions = [
        site.application.completed(site.random, mentorId=mentor, sessionType="mentoring")
        for _ in range(_BILLS)
    ]
    *early, last = sessions
    for event in early:
        site.application.commit([event])
    names = [event.aggregate_id for event in early]
    after_last_retry = site.random.random() < 0.5
    if after_last_retry:
        wait_until(
            "the last retry has failed",
            lambda: _statuses(site, names),
            lambda statuses: statuses == ["failed"] * len(names),
            _SETTLED_SECONDS,
        )
        seconds = pause(site, 0, 2)
    else:
        seconds = pause(site, 0, 9)
    site.repairs()
    site.application.set_prices([(mentor, "mentoring", 4_321, "USD", "2020-01-01")])
    # Payable since now.
    site.application.commit([last], [f"session/{event.aggregate_id}" for event in sessions])
    if after_last_retry:
        verb(site, "exceptions", "retry", *_failed(site, names))
    when = "after their last retry had failed" if after_last_retry else "in the midst of retries"
    return Outcome(f"{_BILLS} bills without a price, which came {when} ({seconds:.1f} s)")


def _exceptions(site: Site, subjects: list[str]) -> list[tuple[str, str]]:
    with admin(site) as connection:
        return connection.execute(
            "SELECT id::text, status FROM billing_exceptions "
            "WHERE subject = ANY(%s) AND reason = 'price_missing' ORDER BY id",
            [subjects],
        ).fetchall()


def _statuses(site: Site, subjects: list[str]) -> list[str]:
    return [status for _, status in _exceptions(site, subjects)]


def _failed(site: Site, subjects: list[str]) -> list[str]:
    return [each for each, status in _exceptions(site, subjects) if status == "failed"]


def _locked(site: Site) -> Outcome:
    """Somebody holds the price list for longer than a statement waits for it."""
    with psycopg.connect(site.stack.address("admin_database_url"), connect_timeout=10) as owner:
        owner.execute("LOCK TABLE mentor_prices IN ACCESS EXCLUSIVE MODE")
        seconds = pause(site, 4, 8)
        owner.rollback()
    return Outcome(f"mentor_prices locked for {seconds:.1f} s")


FAULTS = (
    Act("prices: late", "prices", _late, repair=True),
    Act("prices: locked", "prices", _locked),
)
