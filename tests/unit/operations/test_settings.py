import json
from pathlib import Path

import pytest

from operations.failures import UnreachableError
from operations.settings import load_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "CONNECT_URL", "PORT_BASE"):
        monkeypatch.delenv(f"OUTBOX_{name}", raising=False)
    monkeypatch.setenv("OUTBOX_HOME", str(tmp_path))
    return tmp_path


def test_the_local_stack_tells_where_it_is(home: Path) -> None:
    known = {"database_url": "postgresql://here", "console_url": None}
    (home / "env.json").write_text(json.dumps(known))
    assert load_settings().need("database_url") == "postgresql://here"


def test_the_environment_comes_before_the_local_stack(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "env.json").write_text(json.dumps({"database_url": "postgresql://here"}))
    monkeypatch.setenv("OUTBOX_DATABASE_URL", "postgresql://there")
    assert load_settings().need("database_url") == "postgresql://there"


@pytest.mark.usefixtures("home")
def test_an_unknown_address_says_how_to_give_it() -> None:
    with pytest.raises(UnreachableError, match="OUTBOX_CONNECT_URL") as caught:
        load_settings().need("connect_url")
    assert caught.value.exit_code == 3


@pytest.mark.usefixtures("home")
def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_CONNECT_URL", "")
    assert load_settings().connect_url is None
