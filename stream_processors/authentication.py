"""Whether Kafka takes this process for who it says it is: asked once, at its start.

A client that is refused tries again for ever, and seems to wait for a broker that is away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from schemas.brokers import PLAINTEXT
from stream_processors.environment import SettingsError

if TYPE_CHECKING:
    from schemas.brokers import Brokers

_ASK_SECONDS = 10.0
_POLL_SECONDS = 0.1
_NAME_REFUSED = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001


def require_authentication(brokers: Brokers) -> None:
    """Raise SettingsError, by the setting to correct, where the brokers refuse this client.

    Brokers that cannot be reached at all refuse nobody: whoever needs them waits.
    """
    if brokers.security == PLAINTEXT:
        return
    for error in _errors(brokers):
        if error.code() in _NAME_REFUSED:
            raise SettingsError(
                {
                    "OUTBOX_KAFKA_SASL_PASSWORD": f"Kafka at {brokers} refuses "
                    f"{brokers.security.username!r}: {error.str()}. Correct it, or "
                    "OUTBOX_KAFKA_SASL_USERNAME, or OUTBOX_KAFKA_SASL_MECHANISM"
                }
            )
        if error.code() == KafkaError._SSL:  # noqa: SLF001 - has no other name
            raise SettingsError(
                {
                    "OUTBOX_KAFKA_SSL_CA_FILE": f"Kafka at {brokers} and this process do not agree "
                    f"on TLS: {error.str()}. Correct it, or OUTBOX_KAFKA_SSL_CERTIFICATE_FILE, or "
                    "OUTBOX_KAFKA_SECURITY_PROTOCOL"
                }
            )


def _errors(brokers: Brokers) -> list[KafkaError]:
    """Return what went wrong when the brokers were asked for their topics; [] if nothing did."""
    errors: list[KafkaError] = []
    admin = AdminClient({**brokers.client, "error_cb": errors.append, "log_level": 0})
    try:
        admin.list_topics(timeout=_ASK_SECONDS)
    except KafkaException as error:
        errors.append(error.args[0])
        # What librdkafka said before is told by a callback of this thread.
        admin.poll(_POLL_SECONDS)
        return errors
    return []
