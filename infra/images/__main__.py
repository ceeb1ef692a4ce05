"""The entry point of the image `outbox`: `python -m infra.images ROLE`, as process 1.

It does what the container is for in this very process, which therefore gets the signals.
"""

import os
import runpy
import signal
import sys
from typing import NoReturn

from infra.images.refusal import SettingRefusedError
from infra.images.roles import ROLES
from infra.images.state import require_state_directory

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
        try:
            require_state_directory(os.environ)
        except SettingRefusedError as error:
            _refuse(str(error))
    sys.argv = [name, *arguments]
    runpy.run_module(role.module, run_name="__main__", alter_sys=True)


def _refuse(fault: str) -> NoReturn:
    sys.stderr.write(f"{fault}\n")
    sys.exit(_EXIT_USAGE)


if __name__ == "__main__":
    main()
