from pathlib import Path

from infra.connect.security import client_properties
from schemas.brokers import Security

SCRAM = Security("SASL_SSL", username="ana", password='p"a\\ss', ca_file=Path("/ca.pem"))


def test_without_security_connect_is_told_nothing() -> None:
    assert client_properties(Security()) == {}


def test_each_of_connects_clients_is_told_the_same() -> None:
    told = client_properties(SCRAM)
    own = {name for name in told if name.startswith("s")}
    assert len(own) == 5
    for client in ("producer.", "consumer.", "admin."):
        assert {name.removeprefix(client) for name in told if name.startswith(client)} == own
    assert len(told) == 4 * len(own)


def test_a_password_is_quoted_so_that_java_reads_it_back() -> None:
    assert client_properties(SCRAM)["sasl.jaas.config"] == (
        "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="ana" password="p\\"a\\\\ss";'
    )


def test_plain_is_another_module() -> None:
    told = client_properties(Security("SASL_PLAINTEXT", "PLAIN", "ana", "secret"))
    assert ".plain.PlainLoginModule " in told["sasl.jaas.config"]
    assert "ssl.truststore.type" not in told


def test_certificates_are_pem(tmp_path: Path) -> None:
    (tmp_path / "certificate").write_text("CERT")
    (tmp_path / "key").write_text("KEY")
    told = client_properties(
        Security(
            "SSL",
            ca_file=Path("/ca.pem"),
            certificate_file=tmp_path / "certificate",
            key_file=tmp_path / "key",
            key_password="open",
        )
    )
    assert told["ssl.truststore.type"] == told["ssl.keystore.type"] == "PEM"
    assert told["ssl.truststore.location"] == "/ca.pem"
    assert told["ssl.keystore.certificate.chain"] == "CERT"
    assert (told["ssl.keystore.key"], told["ssl.key.password"]) == ("KEY", "open")
    assert "sasl.mechanism" not in told


def test_without_an_authority_of_ones_own_the_systems_are_trusted() -> None:
    assert "ssl.truststore.type" not in client_properties(Security("SSL"))
