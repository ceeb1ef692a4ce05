"""Processors on trial write nothing that anyone else reads, and see nothing after their time."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from schemas.records import SessionEvaluated
from schemas.topics import TOPICS
from stream_processors.agents.until import UntilAgent
from stream_processors.engine.fact_table import PendingFacts
from stream_processors.engine.messages import InboundRecord, OutboundRecord
from stream_processors.groups import PROCESSORS_GROUP
from stream_processors.settings import WorkerSettings
from stream_processors.written_topics import written_topics
from tests.unit.memory_partition import MemoryPartition, event_record, pending

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVALUATED = SessionEvaluated("s1", NOON)


def test_the_usual_processors_write_the_topics_of_the_catalogue() -> None:
    assert {name: topic.name for name, topic in written_topics(PROCESSORS_GROUP).items()} == {
        name: name for name in written_topics("trial")
    }


def test_those_on_trial_write_none_that_anyone_else_reads() -> None:
    names = {topic.name for topic in written_topics("trial").values()}

    assert names.isdisjoint(topic.name for topic in TOPICS)
    assert names.isdisjoint(topic.name for topic in written_topics("another").values())
    assert all(name.startswith("trial.") for name in names)


def test_their_topics_are_otherwise_the_same() -> None:
    usual, trial = written_topics(PROCESSORS_GROUP), written_topics("trial")

    assert {name: (topic.partitions, topic.config) for name, topic in usual.items()} == {
        name: (topic.partitions, topic.config) for name, topic in trial.items()
    }


@pytest.mark.parametrize("application_id", ["", "a.b", "a/b", "x" * 101])
def test_an_application_id_that_could_be_taken_for_another_is_refused(application_id: str) -> None:
    with pytest.raises(ValidationError):
        WorkerSettings.model_validate(
            {
                "kafka_bootstrap_servers": "kafka:9092",
                "state_directory": "state",
                "health_port": 0,
                "worker_name": "w",
                "application_id": application_id,
            }
        )


class Echo:
    """Answers with the record's offset."""

    def handle(self, record: InboundRecord, _: PendingFacts) -> Iterable[OutboundRecord]:
        return [OutboundRecord("out", b"%d" % record.offset, b"")]

    def quarantine(self, record: InboundRecord, deaths: int) -> OutboundRecord:
        return OutboundRecord("dead", b"%d" % record.offset, b"%d" % deaths)


@pytest.mark.parametrize(
    ("created_at", "is_seen"),
    [
        (b"2026-03-01T12:00:00.000000Z", True),
        (b"2026-03-01T12:00:00Z", True),
        (b"2026-03-01T13:00:00.000000+01:00", True),
        (b"2026-03-01T12:00:00.000001Z", False),
        (b"2026-03-01T12:00:00+00:30", True),
        (b"2026-03-01T12:00:00-00:30", False),
        # These do not come from domain_events: the agent says so.
        (None, True),
        (b"yesterday", True),
        (b"2026-03-01T18:00:00", True),
        (b"\xff", True),
    ],
)
def test_what_was_created_later_is_not_there_yet(created_at: bytes | None, is_seen: bool) -> None:
    record = event_record(EVALUATED, "id", offset=7, createdAt=created_at)

    answer = list(UntilAgent(Echo(), NOON).handle(record, pending(MemoryPartition())))

    assert [each.key for each in answer] == ([b"7"] if is_seen else [])


def test_a_deadly_record_is_set_apart_as_ever() -> None:
    record = event_record(EVALUATED, "id", offset=7)

    assert UntilAgent(Echo(), NOON).quarantine(record, 3).value == b"3"
