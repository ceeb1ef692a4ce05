from pathlib import Path

import pytest

from infra.connect.properties import properties_text
from infra.connect.worker import SourceDatabase
from infra.images.connect import number, prepare, source_database
from infra.images.refusal import SettingRefusedError

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
    with pytest.raises(SettingRefusedError, match=lacking) as refused:
        source_database(url)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("text", ["eighty", "0", "65536", "-1", "8e3", "²"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(SettingRefusedError, match="OUTBOX_CONNECT_PORT"):
        number({"OUTBOX_CONNECT_PORT": text}, "OUTBOX_CONNECT_PORT", range(1, 65536), 8083)


def test_it_writes_what_connect_reads_for_itself_alone(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets" / "postgres.properties"
    command = prepare(
        {
            "OUTBOX_STATE_DIRECTORY": str(tmp_path),
            "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
            "OUTBOX_CONNECTOR_DATABASE_URL": URL,
            "OUTBOX_CONNECTOR_SECRETS_FILE": str(secrets),
            "OUTBOX_CONNECT_HEAP_MIB": "512",
        }
    )
    configuration = Path(command[-1])
    assert "-Xmx512m" in command
    assert "bootstrap.servers=kafka:9092\n" in configuration.read_text()
    assert "database.password=p@ss/word\n" in secrets.read_text()
    assert "p@ss" not in configuration.read_text() + " ".join(command)
    assert [path.stat().st_mode & 0o777 for path in (configuration, secrets)] == [0o600, 0o600]


def test_secrets_that_others_mounted_stay_as_they_are(tmp_path: Path) -> None:
    mounted = tmp_path / "postgres.properties"
    mounted.write_text("database.user=x\n")
    environment = {
        "OUTBOX_STATE_DIRECTORY": str(tmp_path / "state"),
        "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "OUTBOX_CONNECTOR_SECRETS_FILE": str(mounted),
    }
    prepare(environment)
    assert mounted.read_text() == "database.user=x\n"
    mounted.unlink()
    with pytest.raises(SettingRefusedError, match=r"^OUTBOX_CONNECTOR_DATABASE_URL: "):
        prepare(environment)


def test_what_java_would_read_as_its_own_is_escaped() -> None:
    values = {"a": " \\u0041", "b": "one\ntwo\r", "c": "ü€\U0001f600", "d": "", "e": "a=b c"}
    assert properties_text(values) == (
        "a=\\ \\\\u0041\nb=one\\ntwo\\r\nc=\\u00fc\\u20ac\\ud83d\\ude00\nd=\ne=a=b c\n"
    )
