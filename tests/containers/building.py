"""The images that the tests run: ours as `make images` builds them, and two for the tests alone."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra.images.build import Release, build, read_release
from infra.local.layout import project_directory
from infra.local.postgres import installation

FOLDER = Path(__file__).parent / "images"


@dataclass(frozen=True, slots=True)
class Images:
    """The id of each, and what they were built from."""

    release: Release
    base: str
    outbox: str
    connect: str
    postgres: str
    kafka: str


def build_images(temporary: Path) -> Images:
    """Build all of them on OUTBOX_BASE_IMAGE."""
    base = os.environ.get("OUTBOX_BASE_IMAGE")
    assert base, "OUTBOX_BASE_IMAGE names no image to build on: see docs/operations/containers.md"
    project = project_directory()
    release = read_release(project)
    outbox = build("billing-outbox", project, release)
    connect = build("billing-outbox-connect", project, release)
    shutil.copytree(FOLDER, temporary, dirs_exist_ok=True)
    shutil.copytree(installation(), temporary / "pginstall18", symlinks=True)
    wheel = installation().parent
    shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), temporary / "libs")
    return Images(
        release=release,
        base=base,
        outbox=outbox,
        connect=connect,
        postgres=_build("postgres", temporary, f"BASE={base}"),
        kafka=_build("kafka", temporary, f"CONNECT={connect}"),
    )


def _build(name: str, context: Path, argument: str) -> str:
    command = ["docker", "build", "--quiet", "--file", str(context / f"{name}.Dockerfile")]
    command += ["--build-arg", argument, "--tag", f"billing-outbox-test-{name}", str(context)]
    built = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return built.stdout.strip()
