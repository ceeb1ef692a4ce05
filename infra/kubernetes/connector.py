"""The connector as a resource of Strimzi's, from the one definition that there is."""

import json
from pathlib import Path

from connectors.definition import Definition, load_definitions

PATH = Path(__file__).parent / "strimzi" / "kafka-connector.yaml"

# Where kafka-connect.yaml, beside it, puts the secret and the authorities.
_SECRETS_FILE = Path("/mnt/outbox/postgres.properties")
_ENVIRONMENT = {
    "OUTBOX_CONNECTOR_SSL_MODE": "verify-full",
    "OUTBOX_CONNECTOR_SSL_CA_FILE": "/mnt/authorities/postgres.pem",
}
# The resource has fields of their own for these.
_ELSEWHERE = ("connector.class", "tasks.max")

_HEAD = """\
# Made from connectors/definitions by `python -m infra.kubernetes`: change that, not this.
"""


def kafka_connectors() -> str:
    """Return every definition as a KafkaConnector."""
    definitions = load_definitions(_SECRETS_FILE, _ENVIRONMENT)
    return _HEAD + "---\n".join(_kafka_connector(definition) for definition in definitions)


def _kafka_connector(definition: Definition) -> str:
    config = "".join(
        f"    {json.dumps(key)}: {json.dumps(value)}\n"
        for key, value in definition.config.items()
        if key not in _ELSEWHERE
    )
    return f"""\
apiVersion: kafka.strimzi.io/v1
kind: KafkaConnector
metadata:
  name: {definition.name}
  labels:
    strimzi.io/cluster: outbox
spec:
  class: {definition.connector_class}
  tasksMax: {definition.config["tasks.max"]}
  # A failed task is started again; it refuses by itself to go on from a slot that lost its place.
  autoRestart:
    enabled: true
  config:
{config}"""
