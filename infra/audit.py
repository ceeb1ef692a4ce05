"""Whether a known vulnerability is in what is locked: `make audit`, by pip-audit.

Exit code 1 where there is one, 3 where the service that knows them cannot be asked about all
packages. OUTBOX_AUDIT=where-reachable makes of the latter a warning: for a machine without it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.layout import project_directory

LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "infra/images/build-outbox.lock",
    "infra/images/build-connect.lock",
    "infra/images/run-connect.lock",
)
_VULNERABLE = 1
_UNREACHABLE = 3


@dataclass(frozen=True, slots=True)
class Findings:
    """A sentence for each known vulnerability, and why which packages could not be asked about."""

    known: tuple[str, ...]
    unasked: Mapping[str, str]


def findings(report: Mapping[str, Any]) -> Findings:
    """Return what a report of pip-audit, as JSON, says."""
    known, unasked = [], {}
    for package in report["dependencies"]:
        name = package["name"]
        if reason := package.get("skip_reason"):
            unasked[name] = reason
        for found in package.get("vulns", ()):
            mended = ", ".join(found["fix_versions"]) or "no version yet"
            known.append(f"{name} {package['version']}: {found['id']}, mended in {mended}")
    return Findings(tuple(known), unasked)


def _ask(lock: Path) -> Findings:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes"]
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
    answered = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return findings(json.loads(answered.stdout))
    except ValueError:
        last = (answered.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        return Findings((), {"everything": last})


def main() -> None:
    """Look at every lock file, and say what was found."""
    code = 0
    for name in LOCKS:
        found = _ask(project_directory() / name)
        for sentence in found.known:
            sys.stderr.write(f"{name}: {sentence}\n")
        if found.unasked:
            package, reason = next(iter(found.unasked.items()))
            sys.stderr.write(
                f"{name}: not audited, since pip-audit's service cannot be asked about "
                f"{len(found.unasked)} of its packages; of {package} it says: {reason}. Run `make "
                "audit` where PyPI's JSON interface can be reached.\n"
            )
        if found.known:
            code = _VULNERABLE
        elif found.unasked and os.environ.get("OUTBOX_AUDIT") != "where-reachable":
            code = code or _UNREACHABLE
    sys.exit(code)


if __name__ == "__main__":
    main()
