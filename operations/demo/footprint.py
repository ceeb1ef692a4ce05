"""How much memory the whole stack takes."""

import psutil

from infra.local.layout import Layout
from infra.local.sweep import running_processes

_MEBIBYTE = 1024 * 1024


def stack_memory_mib(layout: Layout) -> int:
    """Return the memory of all processes of a stack, in MiB; shared pages are counted once.

    Proportional set sizes: a page that several processes share is divided among them.
    """
    roots = running_processes(layout).values()
    processes = {
        process.pid: process for root in roots for process in (root, *root.children(recursive=True))
    }
    return sum(_proportional_bytes(process) for process in processes.values()) // _MEBIBYTE


def _proportional_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0
