"""Waiting until something is so; whoever waits says for how long at most."""

import time
from collections.abc import Callable
from typing import TypeVar

LOOK_SECONDS = 0.1

Seen = TypeVar("Seen")


def wait_until(
    what: str, probe: Callable[[], Seen], is_so: Callable[[Seen], bool], seconds: float = 60
) -> Seen:
    """Return the first answer of `probe` that is so; fail with the last one."""
    deadline = time.monotonic() + seconds
    while True:
        seen = probe()
        if is_so(seen):
            return seen
        assert time.monotonic() < deadline, f"after {seconds:.0f} s not so: {what}; but {seen!r}"
        time.sleep(LOOK_SECONDS)
