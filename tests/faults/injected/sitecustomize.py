"""Python imports this by itself in every process that has this folder on its PYTHONPATH."""

from failpoint_hooks import install  # type: ignore[import-not-found]
from failpoint_places import FAILPOINTS  # type: ignore[import-not-found]

install(FAILPOINTS)
