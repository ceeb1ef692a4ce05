from pathlib import Path

import pytest

from connectors.definition import load_definitions
from connectors.errors import DefinitionInvalidError
from connectors.plan import HIDDEN, plan

SECRETS = Path("/run/secrets/postgres.properties")


def test_the_definition_holds_references_and_no_secret() -> None:
    (definition,) = load_definitions(SECRETS)
    for key in ("hostname", "port", "dbname", "user", "password"):
        assert definition.config[f"database.{key}"] == f"${{file:{SECRETS}:database.{key}}}"
    (action,) = plan({definition.name: definition.config}, {})
    assert HIDDEN not in {change.new for change in action.changes}


def test_no_placeholder_is_left_unfilled() -> None:
    (definition,) = load_definitions(SECRETS)
    assert not [value for value in definition.config.values() if value.startswith("{")]
    assert not [value for value in definition.config.values() if "{secrets_file}" in value]


@pytest.mark.parametrize(("pace", "poll_ms"), [("", "10"), ("quick", "10"), ("quiet", "250")])
def test_the_pace_says_how_often_the_connector_looks(
    monkeypatch: pytest.MonkeyPatch, pace: str, poll_ms: str
) -> None:
    monkeypatch.setenv("OUTBOX_PACE", pace)
    (definition,) = load_definitions(SECRETS)
    assert definition.config["poll.interval.ms"] == poll_ms


def test_a_pace_that_is_none_is_refused_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OUTBOX_PACE", "fast")
    with pytest.raises(DefinitionInvalidError, match=r"'fast'.*choose quick or quiet"):
        load_definitions(SECRETS)


def test_a_lost_slot_is_refused_by_the_definition_itself() -> None:
    (definition,) = load_definitions(SECRETS)
    assert definition.config["internal.log.position.check.enable"] == "true"
    # Below zero the driver refuses the statement that would create the slot.
    assert int(definition.config["internal.create.slot.command.timeout"]) < 0
    assert definition.config["publication.autocreate.mode"] == "disabled"
    assert definition.config["snapshot.mode"] == "no_data"


def test_heartbeats_are_not_filtered() -> None:
    # A record dropped by a transformation still moves the slot, past what is not yet in Kafka.
    (definition,) = load_definitions(SECRETS)
    assert definition.config["transforms"] == "outbox"
    assert definition.config["topic.heartbeat.name"] == "connector.heartbeats"


def test_the_definition_names_its_slot_class_and_offset_key() -> None:
    (definition,) = load_definitions(SECRETS)
    assert definition.name == "outbox-events"
    assert definition.slot_name == "outbox_events"
    assert definition.publication_name == "outbox_events"
    assert definition.table == "public.domain_events"
    assert definition.connector_class.endswith("PostgresConnector")
    assert definition.source_partition == {"server": "outbox"}


@pytest.mark.parametrize("path", ["/a:b/secrets", "/a}b/secrets"])
def test_a_secrets_path_that_connect_cannot_refer_to_is_refused(path: str) -> None:
    with pytest.raises(DefinitionInvalidError, match="Choose another path"):
        load_definitions(Path(path))


def test_how_the_connector_reaches_the_database_by_tls_is_told_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [definition] = load_definitions(Path("/secrets.properties"))
    assert "database.sslmode" not in definition.config
    monkeypatch.setenv("OUTBOX_CONNECTOR_SSL_MODE", "verify-full")
    monkeypatch.setenv("OUTBOX_CONNECTOR_SSL_CA_FILE", "/certificates/ca.pem")
    [definition] = load_definitions(Path("/secrets.properties"))
    told = {
        key: value for key, value in definition.config.items() if key.startswith("database.ssl")
    }
    assert told == {
        "database.sslmode": "verify-full",
        "database.sslrootcert": "/certificates/ca.pem",
    }


@pytest.mark.parametrize(
    ("mode", "named"),
    [("always", "OUTBOX_CONNECTOR_SSL_MODE"), ("verify-full", "OUTBOX_CONNECTOR_SSL_CA_FILE")],
)
def test_tls_that_cannot_be_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, mode: str, named: str
) -> None:
    monkeypatch.setenv("OUTBOX_CONNECTOR_SSL_MODE", mode)
    with pytest.raises(DefinitionInvalidError, match=named):
        load_definitions(Path("/secrets.properties"))
