"""Runs as the benchmark's JSON has them, with figures that can be reckoned in the head."""

from typing import Any


def quantiles(*, ms: float, count: int = 10) -> dict[str, Any]:
    """Every quantile the same."""
    names = ("mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms")
    return {"count": count, **dict.fromkeys(names, ms if count else 0.0)}


def stages(*, ms: float) -> dict[str, Any]:
    return {name: quantiles(ms=ms) for name in ("to_kafka", "to_payable", "to_ledger")}


def run(system: str, work: str = "1000 at once", ms: float = 50.0, **others: Any) -> dict[str, Any]:
    return {
        "system": system,
        "work": work,
        "events": 10,
        "latency": quantiles(ms=ms),
        "seen": quantiles(ms=ms),
        "events_per_second": 500.0,
        "unbilled": 0,
        "sent_late_ms": 1.5,
        "insert": quantiles(ms=2.0),
        "fsync": quantiles(ms=0.5),
        "cpu_seconds": {"postgres": 1.25, "publisher": 0.5},
        "memory_mib": {"postgres": 100, "publisher": 40},
        "wal_bytes": 2_048,
        "stages": None,
        "milliseconds": [ms] * 10,
        **others,
    }
