import json
import stat
import uuid
from dataclasses import asdict
from pathlib import Path

import pytest

from infra.local.credentials import ensure_credentials, load_credentials
from infra.local.errors import StackError


def test_passwords_are_made_once_and_read_by_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = ensure_credentials(path)
    assert ensure_credentials(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_password_is_another(tmp_path: Path) -> None:
    one, two = (ensure_credentials(tmp_path / name) for name in ("one", "two"))
    passwords = [
        password
        for credentials in (one, two)
        for password in (credentials.superuser, credentials.supervisor, *credentials.roles.values())
    ]
    assert len(set(passwords)) == len(passwords) == 14
    assert all(len(password) >= 24 for password in passwords)


def test_before_the_first_start_there_are_none(tmp_path: Path) -> None:
    assert load_credentials(tmp_path / "secrets.json") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"superuser": "x"}'])
def test_a_damaged_file_is_never_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(text)
    with pytest.raises(StackError, match=r"secrets\.json is damaged"):
        ensure_credentials(path)
    assert path.read_text() == text


def test_what_is_kept_is_plain_json(tmp_path: Path) -> None:
    made = ensure_credentials(tmp_path / "secrets.json")
    assert json.loads((tmp_path / "secrets.json").read_text()) == asdict(made)


def test_the_id_of_a_cluster_is_never_taken_for_an_option_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter([uuid.UUID(bytes=b"\xf8" * 16), uuid.UUID(bytes=b"\x01" * 16)])
    monkeypatch.setattr(uuid, "uuid4", lambda: next(ids))
    assert (
        ensure_credentials(tmp_path / "secrets.json").kafka_cluster_id == "AQEBAQEBAQEBAQEBAQEBAQ"
    )
