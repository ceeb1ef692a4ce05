from pathlib import Path

import pytest

from infra.connect.properties import properties_text
from infra.connect.worker import SourceDatabase
from infra.images.connect import prepare
from infra.images.connect_settings import source_database
from stream_processors.environment import SettingsError

URL = "postgresql://outbox_connector:p%40ss%2Fword@db.example.org:6432/outbox"


def test_the_address_of_the_database_is_taken_apart() -> None:
    expected = SourceDatabase("db.example.org", 6432, "outbox", "outbox_connector", "p@ss/word")
    assert source_database(URL) == expected
    assert source_database(URL.replace(":6432", "")).port == 5432


@pytest.mark.parametrize(
    ("url", "lacking"),
    [
        ("mysql://u:s3cret@h/d", "scheme"),
        ("postgresql://u@h/d", "password"),
        ("postgresql://:s3cret@h/d", "a user"),
        ("postgresql://u:s3cret@h", "name of a database"),
        ("postgresql://u:s3cret@h:x/d", "port"),
    ],
)
def test_an_address_that_lacks_something_is_refused_without_its_password(
    url: str, lacking: str
) -> None:
    with pytest.raises(ValueError, match=lacking) as refused:
        source_database(url)
    assert "s3cret" not in str(refused.value)


def prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **settings: str) -> list[str]:
    told = {
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "CONNECTOR_SECRETS_FILE": str(tmp_path / "secrets" / "postgres.properties"),
        **settings,
    }
    for name, value in told.items():
        monkeypatch.setenv(f"OUTBOX_{name}", value)
    return prepare()


def test_it_writes_what_connect_reads_for_itself_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command = prepared(
        monkeypatch, tmp_path, CONNECTOR_DATABASE_URL=URL, CONNECT_HEAP_MIB="512", CONNECT_PORT="81"
    )
    configuration = Path(command[-1])
    secrets = tmp_path / "secrets" / "postgres.properties"
    assert "-Xmx512m" in command
    assert "bootstrap.servers=kafka:9092\n" in configuration.read_text()
    assert "listeners=http://127.0.0.1:81\n" in configuration.read_text()
    assert "database.password=p@ss/word\n" in secrets.read_text()
    assert "p@ss" not in configuration.read_text() + " ".join(command)
    assert [path.stat().st_mode & 0o777 for path in (configuration, secrets)] == [0o600, 0o600]


def test_secrets_that_others_mounted_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounted = tmp_path / "postgres.properties"
    mounted.write_text("database.user=x\n")
    prepared(monkeypatch, tmp_path, CONNECTOR_SECRETS_FILE=str(mounted))
    assert mounted.read_text() == "database.user=x\n"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"CONNECTOR_DATABASE_URL": ""}, "CONNECTOR_DATABASE_URL"),
        ({"CONNECTOR_DATABASE_URL": "postgresql://u@h/d"}, "CONNECTOR_DATABASE_URL"),
        ({"CONNECT_PORT": "0"}, "CONNECT_PORT"),
        ({"CONNECT_PORT": "65536"}, "CONNECT_PORT"),
        ({"CONNECT_PORT": "eighty"}, "CONNECT_PORT"),
        ({"CONNECT_HEAP_MIB": "1"}, "CONNECT_HEAP_MIB"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_SASL_USERNAME"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        prepared(monkeypatch, tmp_path, **{"CONNECTOR_DATABASE_URL": URL, **settings})
    assert f"OUTBOX_{named}" in refused.value.faults


def test_what_java_would_read_as_its_own_is_escaped() -> None:
    values = {"a": " \\u0041", "b": "one\ntwo\r", "c": "ü€\U0001f600", "d": "", "e": "a=b c"}
    assert properties_text(values) == (
        "a=\\ \\\\u0041\nb=one\\ntwo\\r\nc=\\u00fc\\u20ac\\ud83d\\ude00\nd=\ne=a=b c\n"
    )
