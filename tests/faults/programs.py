"""One process of the stack that runs otherwise for a while: with a faked clock, from other code."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from infra.local.files import write_private
from tests.faults.acting import HEALTHY_SECONDS, supervisor, wait_healthy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.faults.site import Site


@contextlib.contextmanager
def changed(site: Site, name: str, edit: Callable[[str], str]) -> Iterator[None]:
    """Run a process as `edit` changes its section of supervisord's configuration.

    It is stopped in order and started anew for that, and again at the end.
    """
    file = site.stack.layout.supervisor / "supervisord.conf"
    before = file.read_text()
    section = re.search(rf"^\[program:{re.escape(name)}\]\n(?:.+\n)*", before, re.MULTILINE)
    assert section is not None, f"supervisord knows no {name}"
    edited = edit(section[0])
    assert edited != section[0], f"nothing of {name} was changed"
    try:
        _run_as(site, name, before.replace(section[0], edited))
        wait_healthy(site, name, seconds=HEALTHY_SECONDS)
        yield
    finally:
        # Others may be changed at the same time: only this one is put back.
        _run_as(site, name, file.read_text().replace(edited, section[0]))
    wait_healthy(site, name, seconds=HEALTHY_SECONDS)


def with_environment(values: Mapping[str, str]) -> Callable[[str], str]:
    """Return an edit that adds to a process's environment."""
    added = "".join(f',{key}="{value}"' for key, value in values.items())
    return lambda section: re.sub(
        r"^environment=.*$", lambda line: line[0] + added, section, flags=re.MULTILINE
    )


def in_directory(directory: str) -> Callable[[str], str]:
    """Return an edit that lets a process run the code of another folder."""
    return lambda section: re.sub(
        r"^directory=.*$", f"directory={directory}", section, flags=re.MULTILINE
    )


def _run_as(site: Site, name: str, configuration: str) -> None:
    write_private(site.stack.layout.supervisor / "supervisord.conf", configuration)
    supervisor(site).apply()
    supervisor(site).start(name)
