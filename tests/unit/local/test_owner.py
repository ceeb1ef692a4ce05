import os
from pathlib import Path

import pytest

from infra.local import owner
from infra.local.errors import StackError
from infra.local.owner import PostgresOwner, postgres_owner, reachable_by_others


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Root, with nobody mapped to whoever runs the tests, and a stand-in for /var/tmp."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(owner, "_unprivileged_user", lambda: "nobody")
    monkeypatch.setattr(PostgresOwner, "give", lambda *_: None)
    public = tmp_path / "public"
    monkeypatch.setattr(owner, "public_directory", lambda _: public)
    real = Path.lstat

    def lstat(path: Path) -> object:
        found = list(real(path))
        if os.getuid() == found[4]:
            found[4] = 0
        return os.stat_result(found)

    monkeypatch.setattr(Path, "lstat", lstat)
    return public


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A stand-in for the wheel: programs and, beside the package, its libraries."""
    programs = tmp_path / "site" / "pgserver" / "pginstall18"
    (programs / "bin").mkdir(parents=True)
    (programs / "bin" / "postgres").touch(mode=0o700)
    (tmp_path / "site" / "pgserver.libs").mkdir()
    (tmp_path / "site" / "pgserver.libs" / "libpq.so").touch(mode=0o600)
    return programs


def test_an_ordinary_user_runs_the_server_itself(
    tmp_path: Path, installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    chosen = postgres_owner(tmp_path / "home", installation)
    assert chosen == PostgresOwner(None, tmp_path / "home" / "postgres", installation)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_where_others_cannot_go_data_and_programs_lie_outside(
    tmp_path: Path, installation: Path, as_root: Path
) -> None:
    tmp_path.chmod(0o700)
    chosen = postgres_owner(tmp_path / "home", installation)
    assert chosen.user == "nobody"
    assert chosen.directory == as_root / "postgres"
    assert chosen.installation.is_relative_to(as_root)
    libraries = chosen.installation.parent.parent / "pgserver.libs" / "libpq.so"
    assert libraries.stat().st_mode & 0o777 == 0o644
    assert (chosen.installation / "bin" / "postgres").stat().st_mode & 0o777 == 0o755
    assert as_root.stat().st_mode & 0o777 == 0o711


def test_data_that_lies_outside_stays_in_use_when_the_home_opens(
    tmp_path: Path, installation: Path, as_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    first = postgres_owner(tmp_path / "home", installation)
    (first.directory / "data").mkdir()
    monkeypatch.setattr(owner, "reachable_by_others", lambda _: True)
    assert postgres_owner(tmp_path / "home", installation).directory == as_root / "postgres"


@pytest.mark.usefixtures("as_root")
def test_data_that_its_user_can_no_longer_reach_is_an_error_and_not_a_new_cluster(
    tmp_path: Path, installation: Path
) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "home" / "postgres" / "data").mkdir(parents=True)
    with pytest.raises(StackError, match="can no longer reach"):
        postgres_owner(tmp_path / "home", installation)


def test_a_link_that_somebody_laid_in_its_place_is_refused(
    tmp_path: Path, installation: Path, as_root: Path
) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "elsewhere").mkdir()
    as_root.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StackError, match="should be a folder of ours"):
        postgres_owner(tmp_path / "home", installation)


@pytest.mark.parametrize(("name", "complaint"), [("no such user", "no user"), ("root", "is root")])
def test_a_user_that_postgresql_cannot_run_as_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, complaint: str
) -> None:
    monkeypatch.setenv("OUTBOX_POSTGRES_USER", name)
    with pytest.raises(StackError, match=complaint):
        owner._unprivileged_user()


def test_a_closed_folder_anywhere_above_hides_what_is_below(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    tmp_path.chmod(0o700)
    assert not reachable_by_others(tmp_path / "open" / "not there yet")
