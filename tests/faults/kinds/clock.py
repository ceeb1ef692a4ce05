"""The clock of one process jumps by an hour, forwards or back, and then back to the right time.

libfaketime (a package that brings the library, for Linux on x86-64) is preloaded into that process
alone. Its time of day jumps while it runs; its monotonic clock does not, as when a host's clock
is set. The process is started anew before and after, with and without the library.

The library does not see `timespec_get`, by which librdkafka reckons its waits: in the Python
processes a wait of librdkafka that begins during the jump is off by the hour as well.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.owner import cluster_directories
from tests.faults.acting import Act, pause, pid_of
from tests.faults.programs import changed, with_environment
from tests.faults.site import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Site

_HOUR_SECONDS = 3600
_PROCESSES = ("postgres", "kafka", "connect", "worker-1", "worker-2", "ledger-writer")
_LIBRARY = "libfaketime.so.1"


def library() -> Path | None:
    """Return the library of the package libfaketime, None where it cannot be loaded."""
    package = importlib.util.find_spec("libfaketime")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "vendor" / "libfaketime" / "src" / _LIBRARY
    fits = platform.system() == "Linux" and platform.machine() == "x86_64"
    return path if fits and path.exists() else None


def _readable_by_all(site: Site) -> Path:
    """Return the folder of PostgreSQL's user: the one that this process and PostgreSQL can read."""
    return next(
        directory
        for directory in cluster_directories(site.stack.layout.home)
        if (directory / "data").exists()
    )


def _set(file: Path, offset_seconds: int) -> None:
    """Set the clock; the library reads the file again within a second."""
    new = file.with_suffix(".new")
    new.write_text(f"{offset_seconds:+d}\n")
    new.chmod(0o644)
    new.rename(file)


def jumped(name: str, offset_seconds: int) -> Callable[[Site], Outcome]:
    """Return a fault in which the clock of a process jumps, and jumps back after a while."""

    def run(site: Site) -> Outcome:
        installed = library()
        assert installed is not None, "libfaketime cannot be loaded here"
        directory = _readable_by_all(site)
        preloaded, clock = directory / _LIBRARY, directory / f"clock-{name}"
        shutil.copyfile(installed, preloaded)
        preloaded.chmod(0o755)
        _set(clock, 0)
        environment = {
            "LD_PRELOAD": str(preloaded),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
            # Its guess at how this C library waits is wrong: each timed wait of Java would end at
            # once, and Kafka do nothing but spin.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }
        with changed(site, name, with_environment(environment)):
            maps = Path(f"/proc/{pid_of(site, name)}/maps").read_text()
            assert _LIBRARY in maps, f"{name} runs without {_LIBRARY}"
            before_seconds = pause(site, 0, 3)
            _set(clock, offset_seconds)
            seconds = pause(site, 4, 10)
            _set(clock, 0)
            pause(site, 2, 4)
        return Outcome(
            f"the clock of {name} {offset_seconds:+d} s for {seconds:.1f} s, "
            f"{before_seconds:.1f} s after its start"
        )

    return run


FAULTS = tuple(
    Act(f"clock: {name} {sign}1 h", "clock", jumped(name, direction * _HOUR_SECONDS))
    for name in _PROCESSES
    for sign, direction in (("+", 1), ("-", -1))
    if library() is not None
)
