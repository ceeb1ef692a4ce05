"""The entry point of the image `outbox`: `python -m infra.images ROLE`, as process 1.

It does what the container is for in this very process, which therefore gets the signals.
"""

import os
import runpy
import signal
import sys
from typing import NoReturn

from infra.images.roles import ROLES

_EXIT_USAGE = 2
_EXIT_TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """Run the role that the first argument names, with the arguments after it."""
    # Process 1 ignores a signal that it has no handler for, and loading takes a second or two. At
    # once, since nothing is in hand then, and half of an import would take the exit for its fault.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(_EXIT_TERMINATED))
    name, *arguments = sys.argv[1:] or [""]
    role = ROLES.get(name)
    if role is None:
        _refuse(f"{name!r} is no role of this image: the roles are {', '.join(ROLES)}.")
    if role.keeps_state:
        _require_state_directory()
    sys.argv = [name, *arguments]
    runpy.run_module(role.module, run_name="__main__", alter_sys=True)


def _require_state_directory() -> None:
    # Not above: it takes a while to load, and a signal is to be heeded before.
    from infra.images.state import require_state_directory  # noqa: PLC0415
    from stream_processors.environment import SettingsError  # noqa: PLC0415

    try:
        require_state_directory(os.environ)
    except SettingsError as error:
        _refuse(str(error))


def _refuse(fault: str) -> NoReturn:
    sys.stderr.write(f"{fault}\n")
    sys.exit(_EXIT_USAGE)


if __name__ == "__main__":
    main()
