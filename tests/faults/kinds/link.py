"""Faults of the link between Connect and PostgreSQL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.acting import SLOT, Act, admin, pause, through_the_proxy
from tests.faults.site import Outcome
from tests.waiting import wait_until

if TYPE_CHECKING:
    import psycopg

    from tests.faults.site import Site

# Events that wait for 10 s make the keeper red at its next look; then somebody must look.
_WAITING_IS_SEEN_SECONDS = 25.0
# PostgreSQL takes 15 s; Connect, at worst, two of its socket timeouts of 20 s one after the other.
_NOTICED_SECONDS = 60.0


def _cut(site: Site) -> Outcome:
    connections = through_the_proxy(site)
    site.proxy.cut()
    seconds = pause(site, 5, 25)
    site.repairs()
    site.proxy.heal()
    return Outcome(
        f"{connections} connections cut, new ones refused for {seconds:.1f} s",
        red=seconds > _WAITING_IS_SEEN_SECONDS or None,
    )


def _dropped(site: Site) -> Outcome:
    connections = through_the_proxy(site)
    site.proxy.drop()
    return Outcome(f"{connections} connections dropped")


def _delayed(site: Site) -> Outcome:
    through_the_proxy(site)
    delay_seconds = site.random.uniform(0.2, 1.5)
    site.proxy.delay(delay_seconds)
    seconds = pause(site, 5, 15)
    site.proxy.heal()
    return Outcome(f"everything delayed by {delay_seconds:.1f} s for {seconds:.1f} s")


def _half_open(site: Site) -> Outcome:
    connections = through_the_proxy(site)
    site.proxy.half_open()
    seconds = pause(site, 8, 40)
    site.repairs()
    site.proxy.heal()
    return Outcome(
        f"{connections} connections half open for {seconds:.1f} s",
        red=seconds > _WAITING_IS_SEEN_SECONDS or None,
    )


def _forgotten(site: Site) -> Outcome:
    connections = through_the_proxy(site)
    with admin(site) as server:
        before = _reader(server)
        site.proxy.forget()
        began = time.monotonic()
        # PostgreSQL gives the silent reader up, Connect its silent server; only then is it over.
        wait_until(
            "another connection reads the slot",
            lambda: _reader(server),
            lambda reader: reader not in {None, before},
            _NOTICED_SECONDS,
        )
    seconds = time.monotonic() - began
    return Outcome(
        f"{connections} connections swallowed everything, which was noticed after {seconds:.1f} s",
        red=seconds > _WAITING_IS_SEEN_SECONDS or None,
    )


def _reader(server: psycopg.Connection) -> int | None:
    row = server.execute(
        "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", [SLOT]
    ).fetchone()
    return None if row is None else row[0]


FAULTS = (
    Act("link: cut", "link", _cut),
    Act("link: dropped", "link", _dropped),
    Act("link: delayed", "link", _delayed),
    Act("link: half-open", "link", _half_open),
    Act("link: forgotten", "link", _forgotten),
)
