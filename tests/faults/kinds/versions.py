"""Two versions of the code at once: a release in which payables have a new optional field."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from infra.local.layout import project_directory
from tests.faults.acting import HEALTHY_SECONDS, Act, any_worker, pause
from tests.faults.positions import committed, ends
from tests.faults.programs import changed, in_directory
from tests.faults.site import Outcome
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.site import Site

PACKAGES = ("connectors", "infra", "operations", "producer_app", "schemas", "stream_processors")
_NEW_FIELD = {"name": "note", "type": ["null", "string"], "default": None, "doc": "New."}
_SAID = "no schema of this release has the fingerprint"
_PAYABLES, _GROUP = "billing.payables", "outbox-ledger-payables"
_LOUD_SECONDS = 180.0


def next_release(directory: Path, *, writes: bool) -> Path:
    """Copy the code, with a new field in payables that is read, and written if `writes`.

    Shipped as a release would: by `python -m schemas.contract`.
    """
    shutil.rmtree(directory, ignore_errors=True)
    for package in PACKAGES:
        shutil.copytree(
            project_directory() / package,
            directory / package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    schema = directory / "schemas" / "billing" / "Payable.avsc"
    content = json.loads(schema.read_text())
    content["fields"].append(_NEW_FIELD)
    if not writes:
        content["writeVersion"] = 1
    schema.write_text(json.dumps(content, indent=2))
    records = directory / "schemas" / "records.py"
    source = records.read_text()
    last = "    source_event_id: str\n    session_ids: tuple[str, ...]\n"
    assert source.count(last) == 1, "the record Payable is written otherwise now"
    records.write_text(source.replace(last, f"{last}    note: str | None = None\n"))
    subprocess.run(
        [sys.executable, "-m", "schemas.contract"],
        cwd=directory,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return directory


def _reader_first(site: Site) -> Outcome:
    """The new version is known to some and written by none: nothing happens."""
    name = any_worker(site)
    release = next_release(site.stack.layout.home / "next-reader", writes=False)
    with changed(site, name, in_directory(str(release))):
        seconds = pause(site, 4, 10)
    return Outcome(f"{name} of the next release beside the others for {seconds:.1f} s")


def _premature_writer(site: Site) -> Outcome:
    """It writes what the ledger writer cannot read yet: that stops, says so, and loses nothing.

    The repair is what it says: the ledger writer is upgraded. Then both go back, once all that the
    new version wrote is read.
    """
    name = any_worker(site)
    release = next_release(site.stack.layout.home / "next-writer", writes=True)
    edit = in_directory(str(release))
    log = site.stack.layout.log("ledger-writer")
    read_before = log.stat().st_size
    with contextlib.ExitStack() as upgraded:
        with changed(site, name, edit):
            site.struck()
            said = wait_until(
                "the ledger writer says that it knows no such version",
                lambda: _said(log, read_before),
                lambda line: line is not None,
                _LOUD_SECONDS,
            )
            seconds = pause(site, 3, 7)
            site.repairs()
            upgraded.enter_context(changed(site, "ledger-writer", edit))
        _wait_until_read(site)
    return Outcome(
        f"{name} wrote a new version that the ledger writer learned {seconds:.1f} s later",
        loud=f"ledger-writer: {said}",
        red=True,
    )


def _said(log: Path, read_before: int) -> str | None:
    """Return the line of a log, from a position on, that names an unknown version."""
    with log.open(errors="replace") as file:
        file.seek(read_before if log.stat().st_size >= read_before else 0)
        return next((line.strip()[:300] for line in file if _SAID in line), None)


def _wait_until_read(site: Site) -> None:
    """Return once the ledger writer has committed all payables that are there now."""
    there = ends(site, _PAYABLES)
    wait_until(
        "the ledger writer has read what the new version wrote",
        lambda: committed(site, _GROUP, _PAYABLES),
        lambda offsets: all(offsets[number] >= end for number, end in there.items()),
        HEALTHY_SECONDS,
    )


FAULTS = (
    Act("worker: two versions, the new one reads only", "worker", _reader_first),
    Act(
        "worker: two versions, the new one writes too soon",
        "worker",
        _premature_writer,
        repair=True,
    ),
)
