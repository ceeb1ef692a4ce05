"""TLS and SASL for Kafka: what is wrong is refused by its name, the rest reaches each client."""

import ssl
from pathlib import Path

import faust
import pytest
from confluent_kafka.admin import AdminClient

from schemas.brokers import Brokers, Security
from stream_processors.engine.credentials import faust_credentials
from stream_processors.environment import SettingsError, settings_from_environment
from stream_processors.kafka_settings import KafkaSettings, security_environment

SASL = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_USERNAME": "outbox-worker",
    "KAFKA_SASL_PASSWORD": "secret",
}


def read(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> Brokers:
    monkeypatch.setenv("OUTBOX_KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9093")
    for name, value in values.items():
        monkeypatch.setenv(f"OUTBOX_{name}", value)
    return settings_from_environment(KafkaSettings).brokers


def test_without_a_word_of_it_neither_tls_nor_sasl_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    brokers = read(monkeypatch, {})
    assert brokers.client == {"bootstrap.servers": "kafka.example:9093"}
    assert faust_credentials(brokers.security) is None


def test_a_name_and_a_password_reach_both_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    brokers = read(monkeypatch, SASL)
    AdminClient(brokers.client)
    assert brokers.client["sasl.password"] == "secret"
    credentials = faust_credentials(brokers.security)
    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.username, credentials.password) == ("outbox-worker", "secret")
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert credentials.protocol.value == "SASL_SSL"


def test_a_client_certificate_alone_is_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ca.pem", "own.pem", "key.pem"):
        (tmp_path / name).write_text("")
    brokers = read(
        monkeypatch,
        {
            "KAFKA_SECURITY_PROTOCOL": "SSL",
            "KAFKA_SSL_CA_FILE": str(tmp_path / "ca.pem"),
            "KAFKA_SSL_CERTIFICATE_FILE": str(tmp_path / "own.pem"),
            "KAFKA_SSL_KEY_FILE": str(tmp_path / "key.pem"),
        },
    )
    assert brokers.client == {
        "bootstrap.servers": "kafka.example:9093",
        "security.protocol": "SSL",
        "ssl.ca.location": str(tmp_path / "ca.pem"),
        "ssl.certificate.location": str(tmp_path / "own.pem"),
        "ssl.key.location": str(tmp_path / "key.pem"),
    }


def test_with_tls_the_brokers_certificates_are_checked_by_authority_and_name() -> None:
    credentials = faust_credentials(Security(protocol="SSL"))
    assert isinstance(credentials, faust.SSLCredentials)
    assert credentials.context.verify_mode is ssl.CERT_REQUIRED
    assert credentials.context.check_hostname


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "OUTBOX_KAFKA_SECURITY_PROTOCOL"),
        ({**SASL, "KAFKA_SASL_PASSWORD": ""}, "OUTBOX_KAFKA_SASL_PASSWORD"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "OUTBOX_KAFKA_SASL_USERNAME"),
        ({**SASL, "KAFKA_SASL_MECHANISM": "GSSAPI"}, "OUTBOX_KAFKA_SASL_MECHANISM"),
        ({"KAFKA_SSL_CA_FILE": "/nowhere/ca.pem"}, "OUTBOX_KAFKA_SSL_CA_FILE"),
        ({"KAFKA_SSL_CERTIFICATE_FILE": __file__}, "OUTBOX_KAFKA_SSL_KEY_FILE"),
        ({"KAFKA_SSL_KEY_FILE": __file__}, "OUTBOX_KAFKA_SSL_KEY_FILE"),
    ],
)
def test_what_is_wrong_or_missing_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read(monkeypatch, values)
    assert named in refused.value.faults


def test_a_password_is_in_no_error_and_no_description(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "secret" not in repr(read(monkeypatch, SASL))
    with pytest.raises(SettingsError) as refused:
        read(monkeypatch, {**SASL, "KAFKA_SASL_MECHANISM": "none"})
    assert "secret" not in str(refused.value)


def test_another_process_is_told_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    told = security_environment(read(monkeypatch, SASL).security)
    assert told["OUTBOX_KAFKA_SASL_PASSWORD"] == "secret"
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert read(monkeypatch, {}).security == Security(
        protocol="SASL_SSL", username="outbox-worker", password="secret"
    )
