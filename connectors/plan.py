"""What must change in Kafka Connect so that it runs what the definitions say. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

RUNNING = "RUNNING"
HIDDEN = "(hidden)"
STATE = "state"
"""The key under which a change of the connector's state, not of its configuration, is listed."""

_NAMED_BY_CONNECT = "name"
"""Connect adds the connector's name to the configuration that it returns."""

_SECRET_KEY = re.compile(
    r"(password|passphrase|secret|token|credentials?|jaas\.config|keystore\.key)$", re.IGNORECASE
)
_REFERENCE = re.compile(r"\$\{[^{}:]+:[^{}]*\}")
"""A value that a config provider resolves inside Connect, as ${file:/path:key}."""


class ActionKind(StrEnum):
    """What is to be done with one connector."""

    CREATE = "create"
    UPDATE = "update"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Actual:
    """A connector as Connect has it: its configuration, and its state (RUNNING, PAUSED, ...)."""

    config: Mapping[str, str]
    state: str


@dataclass(frozen=True, slots=True)
class Change:
    """One differing key; None stands for a key that is absent on that side."""

    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Action:
    """What is to be done with one connector, and the differences that are the reason."""

    kind: ActionKind
    connector: str
    changes: tuple[Change, ...]


def plan(
    desired: Mapping[str, Mapping[str, str]], actual: Mapping[str, Actual]
) -> tuple[Action, ...]:
    """Compare definitions (name to configuration) with what Connect has, in order of name.

    A connector that no definition names belongs to somebody else and is left alone. Values of
    secret keys are hidden unless they are references, which reveal nothing.
    """
    return tuple(_action(name, desired[name], actual.get(name)) for name in sorted(desired))


def _action(name: str, desired: Mapping[str, str], actual: Actual | None) -> Action:
    if actual is None:
        return Action(ActionKind.CREATE, name, _changes({}, desired))
    changes = _changes(actual.config, desired)
    if actual.state != RUNNING:
        changes = (Change(STATE, actual.state, RUNNING), *changes)
    return Action(ActionKind.UPDATE if changes else ActionKind.NOTHING, name, changes)


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    keys = sorted((old.keys() | new.keys()) - {_NAMED_BY_CONNECT})
    return tuple(
        Change(key, _shown(key, old.get(key)), _shown(key, new.get(key)))
        for key in keys
        if old.get(key) != new.get(key)
    )


def _shown(key: str, value: str | None) -> str | None:
    if value is None or _REFERENCE.fullmatch(value) or not _SECRET_KEY.search(key):
        return value
    return HIDDEN
