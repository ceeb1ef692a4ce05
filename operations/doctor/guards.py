"""Whether the triggers stand that refuse a change of what must never change.

A superuser can switch one off for a moment; left so, the next mistake of anybody changes the books.
"""

import re
from collections.abc import Iterator

import psycopg

from infra.postgres.objects import object_files
from operations.doctor.finding import Finding, by_owner, fault, fine

_ALWAYS = re.compile(r"^ALTER TABLE (\w+) ENABLE ALWAYS TRIGGER (\w+);", re.MULTILINE)
_TRIGGERS = """
    SELECT relname, tgname, tgenabled = 'A'
    FROM pg_trigger
    JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal
"""
_SEE_WHAT_CHANGED = "then `outbox ledger verify` and `outbox reconcile` find what was changed"


def expected_guards() -> dict[tuple[str, str], str]:
    """Return each trigger that must always fire, by table and name, with the file that says so."""
    return {
        (table, trigger): f"{path.parent.name}/{path.name}"
        for path in object_files()
        for table, trigger in _ALWAYS.findall(path.read_text(encoding="utf-8"))
    }


def guards(connection: psycopg.Connection) -> Iterator[Finding]:
    """Whether each trigger is there and fires always, on the tables and on their partitions."""
    expected = expected_guards()
    names = {trigger for _, trigger in expected}
    found = {
        (table, trigger): always
        for table, trigger, always in connection.execute(_TRIGGERS).fetchall()
    }
    missing = sorted(expected.keys() - found.keys())
    # Those of partitions are made with them: they are not in the files, but bear the same names.
    switched_off = sorted(
        (table, trigger)
        for (table, trigger), always in found.items()
        if not always and ((table, trigger) in expected or trigger in names)
    )
    for table, trigger in missing:
        yield fault(
            "guards",
            f"the trigger {trigger} of {table} is gone",
            f"make it as infra/postgres/{expected[table, trigger]} says; {_SEE_WHAT_CHANGED}",
        )
    for table, trigger in switched_off:
        statement = by_owner(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger};")
        yield fault(
            "guards",
            f"the trigger {trigger} of {table} does not fire always",
            f"{statement} {_SEE_WHAT_CHANGED}",
        )
    if not missing and not switched_off:
        yield fine("guards", f"{len(expected)} triggers stand")
