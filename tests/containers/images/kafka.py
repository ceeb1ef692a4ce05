"""Kafka as the official image is told: KAFKA_NODE_ID=1 is node.id=1, and CLUSTER_ID its cluster."""

import os
import subprocess
from pathlib import Path

from infra.connect.properties import properties_text
from infra.images.connect import JARS
from infra.local.java import java_command, log_options

CONFIGURATION = Path("/tmp/server.properties")  # noqa: S108 - a container's own
PREFIX = "KAFKA_"
OPTIONS = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", *log_options({}))


def main() -> None:
    settings = {
        name.removeprefix(PREFIX).lower().replace("_", "."): value
        for name, value in os.environ.items()
        if name.startswith(PREFIX)
    }
    CONFIGURATION.write_text(properties_text(settings))
    arguments = ["format", "--ignore-formatted", "-t", os.environ["CLUSTER_ID"]]
    tool = [*arguments, "-c", str(CONFIGURATION)]
    subprocess.run(java_command(JARS, "kafka.tools.StorageTool", tool, OPTIONS), check=True)
    command = java_command(JARS, "kafka.Kafka", [str(CONFIGURATION)], OPTIONS)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
