"""The health check of the images: asks process 1 by its own page, /health.

`python -m infra.images.health` exits 0 where it does its work, 1 where it does not and says why.
Every few seconds a container runs it, so that it loads nothing but what it needs.
"""

import http.client
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.images.roles import ROLES

SECONDS = 4.0
_PACKAGE = "infra.images"
_OK = 200


def ask(port: int, *, with_tls: bool) -> tuple[bool, str]:
    """Return whether /health on loopback is good, and what it says."""
    if with_tls:
        import ssl  # noqa: PLC0415 - slow to import, and only the console has it

        # Its certificate is in the name that browsers know, and this is loopback.
        unverified = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=SECONDS, context=unverified
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status == _OK, answer.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return False, f"/health on port {port} does not answer: {error!r}"
    finally:
        connection.close()


def port_setting(command: Sequence[str]) -> str | None:
    """Return which variable names the port of what a command line of ours runs; None for a verb.

    Raises ValueError for any other command.
    """
    if _PACKAGE not in command:
        raise ValueError(f"process 1 is none of ours: {' '.join(command)}")
    return ROLES[command[list(command).index(_PACKAGE) + 1]].port_setting


def main() -> None:
    """Exit 0 or 1. The variable that names the port may be given as an argument."""
    command = Path("/proc/1/cmdline").read_bytes().decode(errors="replace").split("\0")
    setting = sys.argv[1] if sys.argv[1:] else port_setting(command)
    if setting is None:
        return  # it ends by itself, and tells how it went then
    is_console = setting == "OUTBOX_CONSOLE_PORT"
    with_tls = is_console and bool(os.environ.get("OUTBOX_CONSOLE_TLS_CERTIFICATE_FILE"))
    is_good, told = ask(int(os.environ[setting]), with_tls=with_tls)
    sys.stdout.write(f"{told}\n")
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
