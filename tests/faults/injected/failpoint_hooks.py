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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

DIRECTORY_VARIABLE = "FAULTS_FAILPOINT_DIRECTORY"
PROCESS_VARIABLE = "OUTBOX_SUPERVISED_PROCESS"
EXIT_CODE_MISSING = 78  # EX_CONFIG of sysexits.h
BEFORE, AFTER = "before", "after"


def _always(*_: Any, **__: Any) -> bool:
    return True


@dataclass(frozen=True)
class Failpoint:
    """A place: `when` a function of `module` is called, if `condition` holds for its arguments.

    `program` is the beginning of the names of the processes that it is in.
    """

    name: str
    program: str
    module: str
    function: str
    when: str
    condition: Callable[..., bool] = _always


def _loop(group: str) -> Callable[..., bool]:
    """Hold in the topic loop of one consumer group only."""
    return lambda loop, *_, **__: loop.name == group


def _uncommitted(group: str) -> Callable[..., bool]:
    return lambda loop: bool(loop.name == group and loop._uncommitted)


def _has_rows(_: object, rows: Sequence[object], *__: object) -> bool:
    return bool(rows)


_ENGINE = "stream_processors.engine"
_LEDGER = "stream_processors.ledger"
_PAYABLES, _RECEIPTS, _DEAD_LETTERS = (
    f"outbox-ledger-{name}" for name in ("payables", "receipts", "dead-letters")
)

FAILPOINTS = (
    Failpoint(
        "worker: an event in hand",
        "worker-",
        "stream_processors.agents.sessions",
        "SessionsAgent.handle",
        BEFORE,
    ),
    Failpoint(
        "worker: decided, nothing delivered",
        "worker-",
        f"{_ENGINE}.outbound",
        "Outbound.deliver",
        BEFORE,
        lambda _, records: bool(records),
    ),
    Failpoint(
        "worker: delivered, state not written",
        "worker-",
        f"{_ENGINE}.fact_table",
        "FactPartition.store",
        BEFORE,
        _has_rows,
    ),
    Failpoint(
        "worker: state written, batch not finished",
        "worker-",
        f"{_ENGINE}.fact_table",
        "FactPartition.store",
        AFTER,
        _has_rows,
    ),
    Failpoint(
        "worker: batch finished, offsets not committed",
        "worker-",
        f"{_ENGINE}.processing",
        "Processor.process",
        AFTER,
    ),
    Failpoint(
        "worker: reading its state back",
        "worker-",
        f"{_ENGINE}.fact_table",
        "FactPartition.catch_up",
        BEFORE,
    ),
    Failpoint(
        "ledger-writer: posted, not committed",
        "ledger-writer",
        f"{_LEDGER}.isolation",
        "post_and_record",
        AFTER,
    ),
    Failpoint(
        "ledger-writer: ledger committed, offsets not stored",
        "ledger-writer",
        f"{_LEDGER}.consuming",
        "TopicLoop._store_offsets",
        BEFORE,
        _loop(_PAYABLES),
    ),
    Failpoint(
        "ledger-writer: offsets stored, not committed",
        "ledger-writer",
        f"{_LEDGER}.consuming",
        "TopicLoop._commit_in_time",
        BEFORE,
        _uncommitted(_PAYABLES),
    ),
    Failpoint(
        "ledger-writer: receipts written, not committed",
        "ledger-writer",
        f"{_LEDGER}.receipts",
        "_write",
        AFTER,
    ),
    Failpoint(
        "ledger-writer: receipts committed, offsets not stored",
        "ledger-writer",
        f"{_LEDGER}.consuming",
        "TopicLoop._store_offsets",
        BEFORE,
        _loop(_RECEIPTS),
    ),
    Failpoint(
        "ledger-writer: report written, not committed",
        "ledger-writer",
        f"{_LEDGER}.writer",
        "_write_isolated",
        AFTER,
    ),
    Failpoint(
        "ledger-writer: reports committed, offsets not stored",
        "ledger-writer",
        f"{_LEDGER}.consuming",
        "TopicLoop._store_offsets",
        BEFORE,
        _loop(_DEAD_LETTERS),
    ),
    Failpoint(
        "ledger-writer: retried, not committed",
        "ledger-writer",
        f"{_LEDGER}.retries",
        "_retry",
        AFTER,
    ),
)


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


def _wrapped(function: Callable[..., Any], armed: _Armed, when: str) -> Callable[..., Any]:
    before = armed.reached if when == BEFORE else None
    after = armed.reached if when == AFTER else None

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
            "say in tests/faults/injected/failpoint_hooks.py what it is called now\n"
        )
        sys.stderr.flush()
        os._exit(EXIT_CODE_MISSING)
    armed = _Armed(failpoint, file_of(directory, process, failpoint.name))
    setattr(owner, name, _wrapped(function, armed, failpoint.when))


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


def install(
    failpoints: Iterable[Failpoint] = FAILPOINTS, environment: os._Environ[str] = os.environ
) -> None:
    """Put the failpoints of this process into the modules that it is about to import."""
    directory = environment.get(DIRECTORY_VARIABLE)
    process = environment.get(PROCESS_VARIABLE)
    if not directory or not process:
        return
    mine = [failpoint for failpoint in failpoints if process.startswith(failpoint.program)]
    if mine:
        sys.meta_path.insert(0, _Finder(mine, Path(directory), process))
