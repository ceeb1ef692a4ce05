from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from operations.console.__main__ import read_console_settings
from operations.console.settings import ConsoleSettings, is_loopback
from stream_processors.environment import SettingsError

USERS = Path("users.json")


def settings(**values: Any) -> ConsoleSettings:
    return ConsoleSettings.model_validate({"port": 25405, **values})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_needs_neither_users_nor_tls(host: str) -> None:
    assert settings(host=host).users_file is None
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["::", "10.0.0.7", "console.internal"])
def test_any_other_address_needs_users(host: str) -> None:
    with pytest.raises(ValidationError, match="no users are configured"):
        settings(host=host, origin="https://console.example.org")


def test_any_other_address_needs_tls() -> None:
    with pytest.raises(ValidationError, match="passwords would cross the network in the clear"):
        settings(host="::", users_file=USERS)
    with pytest.raises(ValidationError, match="passwords would cross the network in the clear"):
        settings(host="::", users_file=USERS, origin="http://console.example.org")


def test_an_origin_elsewhere_is_a_proxy_that_others_reach() -> None:
    with pytest.raises(ValidationError, match="no users are configured"):
        settings(origin="https://console.example.org")
    with pytest.raises(ValidationError, match="passwords would cross the network in the clear"):
        settings(origin="http://console.example.org", users_file=USERS)
    assert settings(origin="https://console.example.org", users_file=USERS).behind_tls
    assert settings(origin="http://localhost:8080").users_file is None


def test_tls_of_its_own_or_of_a_proxy_will_do() -> None:
    own = {"tls_certificate_file": Path("a.pem"), "tls_key_file": Path("a.key")}
    assert settings(host="::", users_file=USERS, **own).behind_tls
    assert settings(host="::", users_file=USERS, origin="https://a.example").behind_tls


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="go together"):
        settings(tls_certificate_file=Path("a.pem"))


@pytest.mark.parametrize("origin", ["console.example", "ftp://a", "https://a/path", "https://"])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValidationError, match="is no origin"):
        settings(origin=origin)


def test_an_origin_is_compared_as_browsers_write_it() -> None:
    found = settings(origin="https://Console.Example.org/", users_file=USERS)
    assert found.origins == {"https://console.example.org"}


def test_on_loopback_its_own_names_are_its_own() -> None:
    assert settings().origins == {
        "http://127.0.0.1:25405",
        "http://localhost:25405",
        "http://[::1]:25405",
    }


@pytest.mark.parametrize(
    ("wrong", "refused"),
    [
        ({"OUTBOX_CONSOLE_HOST": "::"}, {"OUTBOX_CONSOLE_*": "no users are configured"}),
        ({"OUTBOX_CONSOLE_ORIGIN": "a"}, {"OUTBOX_CONSOLE_ORIGIN": "'a' is no origin"}),
        ({"OUTBOX_LOG_LEVEL": "LOUD"}, {"OUTBOX_LOG_LEVEL": "Input should be 'DEBUG'"}),
        ({"OUTBOX_CONSOLE_USERS_FILE": "none"}, {"OUTBOX_CONSOLE_USERS_FILE": "no file none"}),
    ],
)
def test_a_wrong_setting_is_refused_under_its_own_name(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str], refused: dict[str, str]
) -> None:
    for name, value in {"OUTBOX_CONSOLE_PORT": "25405", **wrong}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        read_console_settings()
    assert error.value.faults.keys() == refused.keys()
    for name, fault in refused.items():
        assert fault in error.value.faults[name]
