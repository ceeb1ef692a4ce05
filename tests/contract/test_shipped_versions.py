"""What has shipped stays readable, and stays as it is."""

import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas.contract import incompatibilities, main, stale_files
from schemas.definitions import FOLDER
from schemas.shipped import load_versions


def test_the_generated_files_are_what_the_schemas_say() -> None:
    stale = sorted(map(str, stale_files()))
    assert stale == [], "run python -m schemas.contract"


def test_the_command_that_people_run_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["contract", "--check"])
    monkeypatch.delitem(sys.modules, "schemas.contract")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("schemas.contract", run_name="__main__")
    assert ended.value.code == 0


def test_every_shipped_version_can_be_read() -> None:
    assert incompatibilities() == []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the schemas, up to date, to be changed."""
    for folder in ("events", "billing", "versions"):
        shutil.copytree(FOLDER / folder, tmp_path / "schemas" / folder)
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    return tmp_path


def edit(path: Path, **fields: Any) -> None:
    """Add or replace fields of a schema file; `None` takes one away."""
    schema = json.loads(path.read_text())
    kept = [field for field in schema["fields"] if field["name"] not in fields]
    added = [{"name": name, **field} for name, field in fields.items() if field is not None]
    path.write_text(json.dumps({**schema, "fields": kept + added}))


def payable(project: Path) -> Path:
    return project / "schemas" / "billing" / "Payable.avsc"


def versions_of(project: Path, name: str) -> list[str]:
    folder = project / "schemas" / "versions"
    return sorted(path.name.partition("-")[0] for path in folder.glob(f"{name}.v*"))


NOTE = {"type": ["null", "string"], "default": None}


def test_a_changed_schema_without_a_new_version_is_found(
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit(payable(project), note=NOTE)
    assert main(["--check"], project) == 1
    assert "billing.Payable.v2-" in capsys.readouterr().err
    assert versions_of(project, "billing.Payable") == ["billing.Payable.v1"]


def test_a_compatible_change_ships_as_the_next_version(project: Path) -> None:
    edit(payable(project), note=NOTE)
    assert main([], project) == 0
    assert versions_of(project, "billing.Payable") == ["billing.Payable.v1", "billing.Payable.v2"]
    assert main(["--check"], project) == 0


def test_a_changed_fact_ships_within_the_record_that_holds_it_too(project: Path) -> None:
    edit(project / "schemas" / "billing" / "VoidedFact.avsc", note=NOTE)
    assert main([], project) == 0
    assert len(versions_of(project, "billing.VoidedFact")) == 2
    assert len(versions_of(project, "billing.PackageSession")) == 2
    assert len(versions_of(project, "billing.Payable")) == 1


def test_a_documented_field_is_no_new_version(project: Path) -> None:
    edit(payable(project), session_ids={"type": {"type": "array", "items": "string"}, "doc": "So."})
    assert main([], project) == 0
    assert len(versions_of(project, "billing.Payable")) == 1


def test_an_incompatible_change_is_refused_and_nothing_is_written(
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit(payable(project), price_code={"type": "int"}, urgency={"type": "string"})
    assert main([], project) == 1
    error = capsys.readouterr().err
    assert "version 1 of billing.Payable cannot be read: Payable.price_code: was string" in error
    assert "Payable.urgency: is new, and has no default" in error
    assert "Nothing was written." in error
    assert len(versions_of(project, "billing.Payable")) == 1


def test_an_event_that_refuses_what_it_used_to_allow_is_incompatible(project: Path) -> None:
    path = project / "schemas" / "events" / "services.session.evaluated.avsc"
    edit(path, rating={"type": "double"})
    assert any("rating: was null, is double" in each for each in incompatibilities(path.parents[1]))


def test_a_schema_that_is_gone_is_incompatible(project: Path) -> None:
    payable(project).unlink()
    assert incompatibilities(project / "schemas") == [
        "billing.Payable has shipped, and is gone: nobody can read its records",
    ]


def test_an_edited_payload_check_is_found_and_written_again(
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    check = project / "infra" / "postgres" / "functions" / "check_domain_event.sql"
    generated = check.read_text()
    check.write_text(generated.replace("255", "256"))
    assert main(["--check"], project) == 1
    assert "check_domain_event.sql is out of date" in capsys.readouterr().err
    assert main([], project) == 0
    assert check.read_text() == generated


def shipped_payable(project: Path) -> Path:
    return next((project / "schemas" / "versions").glob("billing.Payable.v1-*"))


def test_an_edited_shipped_version_is_refused(project: Path) -> None:
    edit(shipped_payable(project), note=NOTE)
    with pytest.raises(ValueError, match="shipped versions are never edited"):
        stale_files(project)


def test_a_shipped_version_under_another_name_is_refused(project: Path) -> None:
    shipped_payable(project).rename(project / "schemas" / "versions" / "Payable.avsc")
    with pytest.raises(ValueError, match="is not the version that its name says"):
        stale_files(project)


def test_a_missing_shipped_version_is_refused(project: Path) -> None:
    edit(payable(project), note=NOTE)
    assert main([], project) == 0
    shipped_payable(project).unlink()
    with pytest.raises(ValueError, match=r"billing.Payable has versions \[2\]: restore the rest"):
        load_versions(project / "schemas" / "versions")
