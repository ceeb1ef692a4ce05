"""Writes Prometheus' configuration for the running stack: `python -m infra.monitoring`."""

import sys

from infra.local.errors import StackError
from infra.local.layout import layout_from_environment
from infra.monitoring.configuration import write_configuration


def main() -> None:
    """Write it below OUTBOX_HOME, and print the command that starts Prometheus."""
    try:
        file = write_configuration(layout_from_environment())
    except StackError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    print(  # noqa: T201
        f"prometheus --config.file {file} --storage.tsdb.path {file.parent / 'data'} "
        "--web.listen-address 127.0.0.1:9090"
    )


if __name__ == "__main__":
    main()
