"""What our Kafka settings mean in the words of Kafka's Java clients, of which Connect has four."""

from schemas.brokers import Security

_CLIENTS = ("", "producer.", "consumer.", "admin.")
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_MODULES = {"PLAIN": _PLAIN, "SCRAM-SHA-256": _SCRAM, "SCRAM-SHA-512": _SCRAM}


def client_properties(security: Security) -> dict[str, str]:
    """Return Connect's properties: for its own clients, and for those of its connectors.

    Raises OSError where a file of the client's own certificate cannot be read.
    """
    settings = java_client(security)
    return {f"{client}{name}": value for client in _CLIENTS for name, value in settings.items()}


def java_client(security: Security) -> dict[str, str]:
    """Return the properties of one Java client; none where neither TLS nor SASL is used.

    Raises OSError where a file of its own certificate cannot be read.
    """
    settings: dict[str, str] = {}
    if security.uses_tls or security.uses_sasl:
        settings["security.protocol"] = security.protocol
    if security.uses_sasl:
        module = _MODULES[security.mechanism]
        user, password = _quoted(security.username or ""), _quoted(security.password or "")
        settings["sasl.mechanism"] = security.mechanism
        settings["sasl.jaas.config"] = f"{module} required username={user} password={password};"
    if security.uses_tls:
        settings |= _tls(security)
    return settings


def _tls(security: Security) -> dict[str, str]:
    settings = {}
    if security.ca_file is not None:
        settings["ssl.truststore.type"] = "PEM"
        settings["ssl.truststore.location"] = str(security.ca_file)
    if security.certificate_file is not None and security.key_file is not None:
        # As text: the two are files of their own, and Kafka knows one file for both only.
        settings["ssl.keystore.type"] = "PEM"
        settings["ssl.keystore.certificate.chain"] = security.certificate_file.read_text()
        settings["ssl.keystore.key"] = security.key_file.read_text()
    if security.key_password is not None:
        settings["ssl.key.password"] = security.key_password
    return settings


def _quoted(value: str) -> str:
    """Return a value as the configuration of a login module takes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
