"""What a campaign says at its end: a summary for a terminal, a report to be kept."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil

from infra.local.layout import project_directory
from tests.faults.site import END

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.campaign import Result

CLAIMS = {
    "I1": "every committed event reaches Kafka, once at least and as it was",
    "I2": "everything payable is billed once, exactly; every mentor's sum is right",
    "I3": "per aggregate, first deliveries keep commit order",
    "I4": "nothing of a rolled-back transaction is anywhere",
    "I5": "ledger rows never change",
    "I6": "the backlog is gone within 60 s, and the status was red while there was one",
    "I7": "a position that cannot be trusted is said aloud",
    "faults": "every fault was carried out, the application wrote to the end, and all was watched",
}
FIGURES = {
    "events committed": "SELECT count(*) FROM journal WHERE outcome = 'committed'",
    "events rolled back or lost": "SELECT count(*) FROM journal WHERE outcome <> 'committed'",
    "records in Kafka": "SELECT count(*) FROM deliveries",
    "delivered more than once": (
        "SELECT count(*) FROM (SELECT id FROM deliveries GROUP BY id HAVING count(*) > 1)"
    ),
    "ledger entries": "SELECT count(*) FROM ledger",
    "exceptions": "SELECT count(*) FROM exceptions",
    "faults": f"SELECT count(*) FROM faults WHERE fault_group <> '{END}'",
    "samples of the status": "SELECT count(*) FROM samples",
    "of them red": "SELECT count(*) FROM samples WHERE unhealthy <> ''",
}
BY_KIND = """
    SELECT kind, recovered_at - ended_at, repair_at - begun_at,
           CASE WHEN repair THEN ended_at - repair_at END, exempt
    FROM faults WHERE recovered_at IS NOT NULL ORDER BY kind
"""

FAULTS_IN_ORDER = """
    SELECT number, kind, detail, round(recovered_at - ended_at, 1), coalesce(loud, '')
    FROM faults ORDER BY number
"""
KINDS_HEAD = (
    "kind",
    "times",
    "lasted s, median",
    "repair s, median",
    "recovery s, median",
    "recovery s, max",
)
RECOVERY = (
    "Recovery: from the end of the fault, or of its documented repair, until the status was green "
    "and everything that was committed by then had its receipt and its entry. Repair: how long the "
    "verbs of a person took."
)


def figures(result: Result) -> dict[str, int]:
    """Return how much there was of what."""
    return {name: int(result.evidence.one(query)) for name, query in FIGURES.items()}


def summary(result: Result) -> str:
    """Return some lines: what happened, and each invariant with its violations."""
    lines = [f"{name}: {number}" for name, number in figures(result).items()]
    for name, sentences in result.violations.items():
        verdict = "holds" if not sentences else "VIOLATED"
        lines.append(f"{name} {verdict}: {CLAIMS[name]}")
        lines += [f"    {sentence}" for sentence in sentences]
    return "\n".join(lines)


def write_report(result: Result, path: Path) -> None:
    """Write everything that somebody would ask of a long run, as markdown."""
    orders = result.orders
    minutes = result.seconds / 60
    rate = result.events / result.seconds
    verdict = "All invariants hold." if result.holds else "Invariants are violated: see below."
    parts = [
        "# A long run of the fault suite",
        f"{verdict}",
        _table(
            ("", ""),
            [
                ("seed", orders.seed),
                ("commit", _commit()),
                ("ended", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
                ("machine", _machine()),
                ("minutes", f"{minutes:.1f}"),
                ("events a second, ordered", f"{orders.events_per_second:.0f}"),
                ("events a second, committed on the average", f"{rate:.1f}"),
                *figures(result).items(),
            ],
        ),
        "## Invariants",
        _table(
            ("", "claim", "violations"),
            [(name, CLAIMS[name], len(sentences)) for name, sentences in result.violations.items()],
        ),
        *(f"- {sentence}" for sentences in result.violations.values() for sentence in sentences),
        "## Faults by kind",
        RECOVERY,
        _table(KINDS_HEAD, _kinds(result)),
        "## Exceptions, as they ended",
        _table(
            ("reason", "status", "count"),
            list(
                result.evidence.rows(
                    "SELECT reason, status, count(*) FROM exceptions GROUP BY 1, 2 ORDER BY 1, 2"
                )
            ),
        ),
        "## What each fault did",
        _table(
            ("", "kind", "what", "recovery s", "loud"),
            list(result.evidence.rows(FAULTS_IN_ORDER)),
        ),
    ]
    path.write_text("\n\n".join(parts) + "\n")


def _kinds(result: Result) -> list[tuple[object, ...]]:
    recoveries: dict[str, list[float]] = defaultdict(list)
    lasted: dict[str, list[float]] = defaultdict(list)
    repairs: dict[str, list[float]] = defaultdict(list)
    for kind, recovery, seconds, repair, exempt in result.evidence.rows(BY_KIND):
        name = f"{kind} (exempt)" if exempt else kind
        recoveries[name].append(recovery)
        lasted[name].append(seconds)
        repairs[name] += [] if repair is None else [repair]
    return [
        (
            kind,
            len(recovery),
            f"{statistics.median(lasted[kind]):.1f}",
            f"{statistics.median(repairs[kind]):.1f}" if repairs[kind] else "",
            f"{statistics.median(recovery):.1f}",
            f"{max(recovery):.1f}",
        )
        for kind, recovery in sorted(recoveries.items())
    ]


def _table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(content: object) -> str:
    return str(content).replace("|", "\\|").replace("\n", " ")[:300]


def _commit() -> str:
    shown = subprocess.run(
        ["git", "-c", "safe.directory=*", "describe", "--always", "--dirty"],  # noqa: S607
        cwd=project_directory(),
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout.strip() or "unknown"


def _machine() -> str:
    memory_gib = psutil.virtual_memory().total / 1024**3
    return f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.machine()}"
