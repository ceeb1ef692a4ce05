"""Reading settings from OUTBOX_… environment variables; a wrong one is told by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

SettingsType = TypeVar("SettingsType", bound=BaseSettings)


class SettingsError(Exception):
    """Settings are missing or wrong; `faults` says of each, by its name, what is wrong with it."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("\n".join(f"{name}: {fault}" for name, fault in faults.items()))
        self.faults = faults


def settings_from_environment(
    settings_type: type[SettingsType], prefix: str = "OUTBOX_"
) -> SettingsType:
    """Read settings whose names begin with `prefix`; raises SettingsError."""
    try:
        return settings_type(_env_prefix=prefix)
    except ValidationError as error:
        raise SettingsError(
            {
                prefix + "_".join(str(part) for part in fault["loc"]).upper(): _told(fault)
                for fault in error.errors()
            }
        ) from None


def _told(fault: ErrorDetails) -> str:
    """Return what is wrong: in our own words where a rule of ours found it."""
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    return f"{fault['msg']}: set it in the environment"
