"""How this process reaches Kafka, from OUTBOX_KAFKA_… environment variables."""

from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.brokers import Brokers, Mechanism, Protocol, Security


class KafkaSecuritySettings(BaseSettings):
    """TLS and SASL. What the chosen protocol needs and is not there is refused by its name."""

    model_config = SettingsConfigDict(
        env_prefix="OUTBOX_", env_ignore_empty=True, extra="ignore", use_attribute_docstrings=True
    )

    kafka_security_protocol: Protocol = "PLAINTEXT"
    """How Kafka is spoken to; anything else than SASL_SSL or SSL is for a network of one's own."""
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    """How the name and the password are proved, with SASL."""
    kafka_sasl_username: str | None = Field(default=None, validate_default=True)
    """The name, with SASL."""
    kafka_sasl_password: SecretStr | None = Field(default=None, validate_default=True)
    """The password, with SASL."""
    kafka_ssl_ca_file: Path | None = None
    """With TLS: PEM of the authorities that the brokers' certificates are checked against; without
    it, the system's."""
    kafka_ssl_certificate_file: Path | None = None
    """With TLS: PEM of the client's own certificate, where the brokers ask for one."""
    kafka_ssl_key_file: Path | None = Field(default=None, validate_default=True)
    """With TLS: PEM of the key of that certificate."""
    kafka_ssl_key_password: SecretStr | None = None
    """The password of that key, if it has one."""

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _needed_with_sasl(cls, value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("kafka_security_protocol", "PLAINTEXT")
        if protocol.startswith("SASL") and value is None:
            raise ValueError(f"OUTBOX_KAFKA_SECURITY_PROTOCOL is {protocol}, which needs it")
        return value

    @field_validator("kafka_ssl_ca_file", "kafka_ssl_certificate_file", "kafka_ssl_key_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                value.read_bytes()
            except OSError as error:
                raise ValueError(f"{value} cannot be read ({error.strerror})") from None
        return value

    @field_validator("kafka_ssl_key_file")
    @classmethod
    def _goes_with_the_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "kafka_ssl_certificate_file" not in info.data:
            return value
        certificate = info.data["kafka_ssl_certificate_file"]
        if certificate is not None and value is None:
            raise ValueError("OUTBOX_KAFKA_SSL_CERTIFICATE_FILE is set, which needs it")
        if certificate is None and value is not None:
            raise ValueError("it is of use with OUTBOX_KAFKA_SSL_CERTIFICATE_FILE alone: set both")
        return value

    @property
    def kafka_security(self) -> Security:
        """Return all of it, as clients take it."""
        return Security(
            protocol=self.kafka_security_protocol,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_sasl_username,
            password=_revealed(self.kafka_sasl_password),
            ca_file=self.kafka_ssl_ca_file,
            certificate_file=self.kafka_ssl_certificate_file,
            key_file=self.kafka_ssl_key_file,
            key_password=_revealed(self.kafka_ssl_key_password),
        )


class KafkaSettings(KafkaSecuritySettings):
    """What a process needs that cannot do without Kafka."""

    kafka_bootstrap_servers: str
    """Kafka's brokers: `host:port`, with commas between them."""

    @property
    def brokers(self) -> Brokers:
        """Return how Kafka is reached."""
        return Brokers(self.kafka_bootstrap_servers, self.kafka_security)


def security_environment(security: Security) -> dict[str, str]:
    """Return the variables that tell another process of ours the same."""
    values = {
        "SECURITY_PROTOCOL": security.protocol,
        "SASL_MECHANISM": security.mechanism,
        "SASL_USERNAME": security.username,
        "SASL_PASSWORD": security.password,
        "SSL_CA_FILE": security.ca_file,
        "SSL_CERTIFICATE_FILE": security.certificate_file,
        "SSL_KEY_FILE": security.key_file,
        "SSL_KEY_PASSWORD": security.key_password,
    }
    return {f"OUTBOX_KAFKA_{name}": str(value) for name, value in values.items() if value}


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
