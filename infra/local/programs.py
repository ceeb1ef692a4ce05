"""What supervisord is to run: one program of the stack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Program:
    """``command`` is an argument list; ``user`` a name that root changes to, or None.

    ``address`` is where clients reach it, ``health_url`` answers 200 once it is ready, and
    ``metrics_url`` serves Prometheus' text; None where it has none.
    """

    name: str
    command: Sequence[str]
    address: str
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    health_url: str | None = None
    metrics_url: str | None = None
