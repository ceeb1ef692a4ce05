"""Python imports this by itself in every process that has this folder on its PYTHONPATH."""

import failpoint_hooks  # type: ignore[import-not-found]

failpoint_hooks.install()
