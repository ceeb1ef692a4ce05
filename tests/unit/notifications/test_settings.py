import base64

import pytest

from stream_processors.environment import SettingsError
from stream_processors.notifications.__main__ import main
from stream_processors.notifications.settings import chosen_agents

URL = "OUTBOX_SIGNUP_WEBHOOK_URL"
SECRET = "OUTBOX_SIGNUP_WEBHOOK_SECRET"
AGE = "OUTBOX_SIGNUP_WEBHOOK_AGE_MINUTES_MAX"
KEY = bytes(range(24))
GOOD_SECRET = "whsec_" + base64.b64encode(KEY).decode()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (URL, SECRET, AGE):
        monkeypatch.delenv(name, raising=False)


def refused(monkeypatch: pytest.MonkeyPatch, **settings: str) -> str:
    monkeypatch.setenv(URL, "https://hooks.example.com/x")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        chosen_agents()
    return str(caught.value)


@pytest.mark.parametrize("url", [None, ""])
def test_an_agent_without_an_address_is_not_chosen(
    monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    if url is not None:
        monkeypatch.setenv(URL, url)
    assert chosen_agents() == {}


def test_an_agent_with_an_address_is_chosen_with_its_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(URL, "https://hooks.example.com/services/T0/B0/x%20y?z=1")
    monkeypatch.setenv(SECRET, GOOD_SECRET)
    monkeypatch.setenv(AGE, "15")
    [(agent, settings)] = chosen_agents().items()
    assert (agent.name, agent.topic, agent.group) == (
        *("signup", "events.user"),
        "outbox-notifications-signup",
    )
    assert settings.url == "https://hooks.example.com/services/T0/B0/x%20y?z=1"
    assert (settings.key, settings.age_minutes_max) == (KEY, 15)


def test_settings_that_are_passed_on_read_the_same_and_hide_what_is_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(URL, "http://127.0.0.1:9/hook")
    [(agent, settings)] = chosen_agents().items()
    monkeypatch.setenv(SECRET, GOOD_SECRET)
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(agent.setting_prefix + name, value)
    assert chosen_agents() == {agent: settings}


@pytest.mark.parametrize(
    "url",
    [
        *("hooks.example.com", "ftp://hooks.example.com/x", "file:///etc/passwd", "https://"),
        *(
            "https:///path",
            "http://:80/",
            "https://a b.example.com",
            'https://h/"x"',
            "https://h/\n",
        ),
        "http://hooks.example.com:99999/",
    ],
)
def test_an_address_that_is_none_is_refused_by_the_name_of_its_setting_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    assert refused(monkeypatch, **{URL: url}) == (
        f"{URL}: is no http:// or https:// address with a host"
    )


@pytest.mark.parametrize(
    "secret",
    [
        *("secret", "whsec_", "whsec_???", base64.b64encode(KEY).decode()),
        "whsec_" + base64.b64encode(KEY[:23]).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
    ],
)
def test_a_secret_that_is_none_is_refused_by_the_name_of_its_setting_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    assert refused(monkeypatch, **{SECRET: secret}) == (
        f"{SECRET}: is not whsec_ and 24 to 64 bytes in base64"
    )


@pytest.mark.parametrize("minutes", ["0", "-1", "long", "nan"])
def test_an_age_that_is_none_is_refused_by_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, minutes: str
) -> None:
    assert refused(monkeypatch, **{AGE: minutes}).startswith(f"{AGE}: ")


def test_a_secret_does_not_show_where_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, "https://hooks.example.com/x")
    monkeypatch.setenv(SECRET, GOOD_SECRET)
    assert GOOD_SECRET not in repr(chosen_agents())


def test_a_process_with_nobody_to_tell_ends_as_wrongly_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "STATE_DIRECTORY", "HEALTH_PORT"):
        monkeypatch.setenv(f"OUTBOX_{name}", "9")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert URL in told
    assert "none is set, so there is nobody to tell" in told
