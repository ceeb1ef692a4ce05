"""Whether a failover would keep the connector's place, as far as the primary can tell.

What only the standby knows, whether the slot has been copied to it, is asked there:
docs/operations/failover.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from operations.doctor.finding import Finding, by_superuser, fault, fine, warning

SLOTS_ARE_COPIED_SINCE = 170_000
_GUIDE = "docs/operations/failover.md"

# A slot with an xmin belongs to a standby that sends feedback, as whoever copies slots must; those
# of archives have none. A column or setting that a server before 17 has not is NULL.
_READ = """
    SELECT
        current_setting('server_version_num')::integer AS server_version,
        (SELECT coalesce((to_jsonb(slot) ->> 'failover')::boolean, false)
         FROM pg_replication_slots AS slot WHERE slot_name = %(slot)s) AS follows,
        ARRAY(
            SELECT slot_name::text FROM pg_replication_slots
            WHERE slot_type = 'physical' AND NOT temporary AND xmin IS NOT NULL
            ORDER BY slot_name
        ) AS standbys,
        waited_for,
        ARRAY(
            SELECT name FROM unnest(waited_for) AS name
            WHERE NOT EXISTS (
                SELECT FROM pg_replication_slots
                WHERE slot_name = name AND slot_type = 'physical' AND active
            )
        ) AS unread
    FROM (
        SELECT array_remove(array_agg(btrim(name, ' "')), '')
        FROM string_to_table(current_setting('synchronized_standby_slots', true), ',') AS name
    ) AS setting (names)
    CROSS JOIN LATERAL (SELECT coalesce(names, '{}')) AS listed (waited_for)
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the primary knows of a failover.

    `follows`: whether the connector's slot is to be copied to standbys; None without a slot.
    `standbys`: the slots of standbys that could be promoted; `waited_for`: those that must have an
    event before Kafka has it; `unread`: which of them no standby reads now.
    """

    server_version: int
    follows: bool | None
    standbys: list[str]
    waited_for: list[str]
    unread: list[str]


def failover(connection: psycopg.Connection, slot: str) -> Iterator[Finding]:
    """Whether the connector's slot would survive, and whether Kafka waits for a standby in vain."""
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        standing = cursor.execute(_READ, {"slot": slot}).fetchone()
    if standing is not None:
        yield from judged(standing, slot)


def judged(standing: Standing, slot: str) -> Iterator[Finding]:
    """Say what this means. Where there is no slot, another line says so."""
    if standing.follows is None:
        return
    if standing.server_version < SLOTS_ARE_COPIED_SINCE:
        major = standing.server_version // 10_000
        text = (
            f"PostgreSQL {major} copies no slot to a standby: after a promotion a new one is made"
        )
        yield fine("failover", f"{text} by `outbox connectors recover`")
    elif not standing.follows:
        yield warning(
            "failover",
            f"the replication slot {slot} is made without failover: no standby would have it",
            f"ALTER_REPLICATION_SLOT {slot} (FAILOVER true), as {_GUIDE} says",
        )
    elif standing.unread:
        yield fault(
            "failover",
            f"synchronized_standby_slots names {', '.join(standing.unread)}, which no standby reads"
            " now: no event reaches Kafka until it does",
            "start that standby; if it is gone for good, "
            + by_superuser(_wait_for(set(standing.waited_for) - set(standing.unread))),
        )
    elif standing.standbys and not standing.waited_for:
        yield warning(
            "failover",
            f"Kafka does not wait for the standby of slot {', '.join(standing.standbys)}: promoted,"
            " it may lack events that are in Kafka and billed",
            by_superuser(_wait_for(standing.standbys)),
        )
    elif standing.waited_for:
        yield fine("failover", f"{slot} follows; Kafka waits for {', '.join(standing.waited_for)}")
    else:
        yield fine(
            "failover", f"{slot} would follow; there is no standby that it could be copied to"
        )


def _wait_for(standbys: list[str] | set[str]) -> str:
    names = ", ".join(sorted(standbys))
    return f"ALTER SYSTEM SET synchronized_standby_slots = '{names}'; SELECT pg_reload_conf();"
