"""Builds the images and says what is in them: `make images`.

The same commit gives the same files in every layer, whenever and wherever it is built on the same
base: what is installed is locked by hash, and bears the time of the commit.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.images.bill_of_materials import write_bill
from infra.local.layout import project_directory

FOLDER = Path(__file__).parent
IMAGES = {"billing-outbox": "outbox.Dockerfile", "billing-outbox-connect": "connect.Dockerfile"}
MIRRORS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "OUTBOX_MAVEN_REPOSITORY")
"""Passed on to the build where they are set here; a path is one in the base image."""


@dataclass(frozen=True, slots=True)
class Release:
    """What is built: the project's version, the commit, and its time in seconds since 1970."""

    version: str
    revision: str
    epoch: str


def read_release(project: Path) -> Release:
    """Return what a checkout is; raises subprocess.CalledProcessError where it is none of git's."""

    def git(*arguments: str) -> str:
        command = ["git", "-c", "safe.directory=*", "-C", str(project), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    configuration = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    changed = "-changed" if git("status", "--porcelain", "--untracked-files=no") else ""
    return Release(
        version=configuration["project"]["version"],
        revision=git("rev-parse", "HEAD") + changed,
        epoch=git("log", "-1", "--format=%ct"),
    )


def build_command(
    name: str, release: Release, environment: Mapping[str, str], options: Sequence[str] = ()
) -> list[str]:
    """Return the command line that builds an image; ``options`` are further ones of docker's.

    OUTBOX_BASE_IMAGE is the base in place of the Dockerfile's own, OUTBOX_BUILD_NETWORK the network
    of the build.
    """
    arguments = {
        "VERSION": release.version,
        "REVISION": release.revision,
        "SOURCE_DATE_EPOCH": release.epoch,
        **{mirror: environment[mirror] for mirror in MIRRORS if environment.get(mirror)},
    }
    if base := environment.get("OUTBOX_BASE_IMAGE"):
        arguments["BASE"] = base
    network = environment.get("OUTBOX_BUILD_NETWORK")
    return [
        *("docker", "build", "--quiet", "--file", str(FOLDER / IMAGES[name])),
        *(["--network", network] if network else []),
        *(part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")),
        *("--tag", f"{name}:{release.version}", "--tag", f"{name}:latest"),
        *options,
        ".",
    ]


def build(name: str, project: Path, release: Release, options: Sequence[str] = ()) -> str:
    """Build an image and return its id; raises subprocess.CalledProcessError."""
    command = build_command(name, release, os.environ, options)
    built = subprocess.run(command, cwd=project, check=True, stdout=subprocess.PIPE, text=True)
    return built.stdout.strip()


def main() -> None:
    """Build both, and write their bills of materials below `build`."""
    project = project_directory()
    release = read_release(project)
    (project / "build").mkdir(exist_ok=True)
    for name in IMAGES:
        identity = build(name, project, release)
        bill = project / "build" / f"{name}-{release.version}.cdx.json"
        write_bill(bill, identity, name, release.version, int(release.epoch))
        sys.stdout.write(f"{name}:{release.version} {identity} {bill.relative_to(project)}\n")


if __name__ == "__main__":
    main()
