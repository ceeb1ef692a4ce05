"""The folder that a container keeps its state in, which must be on a volume that it may write."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from stream_processors.environment import SettingsError

_SETTING = "OUTBOX_STATE_DIRECTORY"


def require_state_directory(environment: Mapping[str, str]) -> Path:
    """Make the folder of the process's own, and return it.

    Raises SettingsError where it is not set, or cannot be made or written.
    """
    value = environment.get(_SETTING)
    if not value:
        raise SettingsError({_SETTING: "it is missing, a folder on a volume: set it"})
    directory = Path(value)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        fault = (
            f"{directory} cannot be written by user {os.getuid()} ({error.strerror}), and this "
            "process keeps its state there. Mount a volume that this user can write, or name a "
            "folder on one"
        )
        raise SettingsError({_SETTING: fault}) from error
    return directory
