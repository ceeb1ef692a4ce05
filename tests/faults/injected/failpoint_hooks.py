"""Failpoints: named places in the running processes where the suite can make one act, once.

Nothing of this is in the code that it acts on. Each failpoint wraps a function as its module is
imported; one whose function is gone ends the process and says so, since a failpoint that silently
never fires would prove nothing. Standard library only: it runs before all else in every process.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import inspect
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from tests.faults.injected.failpoint_places import Failpoint

DIRECTORY_VARIABLE = "FAULTS_FAILPOINT_DIRECTORY"
PROCESS_VARIABLE = "OUTBOX_SUPERVISED_PROCESS"
EXIT_CODE_MISSING = 78  # EX_CONFIG of sysexits.h


def file_of(directory: Path, process: str, name: str) -> Path:
    """Return where a failpoint of a process is armed."""
    words = "".join(character if character.isalnum() else " " for character in name).split()
    return directory / process / ("-".join(words) + ".armed")


class _Armed:
    """One failpoint in this process."""

    def __init__(self, failpoint: Failpoint, file: Path) -> None:
        self._failpoint = failpoint
        self._file = file
        self._passes = 0

    def reached(self, *arguments: Any, **named: Any) -> None:
        """Act, if the suite armed this place; only the first of several threads does."""
        if not self._file.exists() or not self._failpoint.condition(*arguments, **named):
            return
        try:
            order = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return
        self._passes += 1
        if self._passes <= order["skip"]:
            return
        hit = self._file.with_suffix(".hit")
        try:
            self._file.rename(hit)
        except FileNotFoundError:
            return
        self._passes = 0
        _act(order["action"], order["seconds"])


def _act(action: str, seconds: float) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "sleep":
        time.sleep(seconds)
    else:
        raise ValueError(f"a failpoint cannot {action}")


def _wrapped(
    function: Callable[..., Any], armed: _Armed, *, afterwards: bool
) -> Callable[..., Any]:
    before, after = (None, armed.reached) if afterwards else (armed.reached, None)

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        if before:
            before(*arguments, **named)
        result = function(*arguments, **named)
        if after:
            after(*arguments, **named)
        return result

    @functools.wraps(function)
    async def call_and_wait(*arguments: Any, **named: Any) -> Any:
        if before:
            before(*arguments, **named)
        result = await function(*arguments, **named)
        if after:
            after(*arguments, **named)
        return result

    return call_and_wait if inspect.iscoroutinefunction(function) else call


def put_in(module: ModuleType, failpoint: Failpoint, directory: Path, process: str) -> None:
    """Wrap the function of a failpoint; a function that is not there ends this process."""
    *owners, name = failpoint.function.split(".")
    owner: Any = module
    for each in owners:
        owner = getattr(owner, each, None)
    function = getattr(owner, name, None)
    if function is None:
        sys.stderr.write(
            f"failpoint {failpoint.name!r}: {failpoint.module} has no {failpoint.function}; "
            "say in tests/faults/injected/failpoint_places.py what it is called now\n"
        )
        sys.stderr.flush()
        os._exit(EXIT_CODE_MISSING)
    armed = _Armed(failpoint, file_of(directory, process, failpoint.name))
    setattr(owner, name, _wrapped(function, armed, afterwards=failpoint.afterwards))


class _Loader(importlib.abc.Loader):
    """Loads a module as its own loader does, then puts in the failpoints."""

    def __init__(
        self, loader: importlib.abc.Loader, put_in_all: Callable[[ModuleType], None]
    ) -> None:
        self._loader = loader
        self._put_in_all = put_in_all

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._put_in_all(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that have failpoints, as the other finders do."""

    def __init__(self, failpoints: Sequence[Failpoint], directory: Path, process: str) -> None:
        self._failpoints = failpoints
        self._directory = directory
        self._process = process
        self._looking = False

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if self._looking or all(failpoint.module != name for failpoint in self._failpoints):
            return None
        self._looking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._put_in_all)
        return spec

    def _put_in_all(self, module: ModuleType) -> None:
        for failpoint in self._failpoints:
            if failpoint.module == module.__name__:
                put_in(module, failpoint, self._directory, self._process)


def install(failpoints: Iterable[Failpoint]) -> None:
    """Put those of this process into the modules that it is about to import."""
    directory = os.environ.get(DIRECTORY_VARIABLE)
    process = os.environ.get(PROCESS_VARIABLE)
    if not directory or not process:
        return
    mine = [failpoint for failpoint in failpoints if process.startswith(failpoint.program)]
    if mine:
        sys.meta_path.insert(0, _Finder(mine, Path(directory), process))
