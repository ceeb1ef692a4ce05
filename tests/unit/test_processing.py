import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from schemas.errors import UnknownFingerprint
from stream_processors.engine import processing
from stream_processors.engine.genesis import GENESIS_KEY
from stream_processors.engine.messages import InboundRecord, OutboundRecord
from stream_processors.engine.outbound import DeliveryError
from tests.unit.engine_fakes import CHANGELOG, Ended, Engine, record


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    def end_process(doing: str, error: BaseException) -> None:
        raise Ended(doing) from error

    monkeypatch.setattr(processing, "end_process", end_process)
    return Engine(tmp_path)


def _process(engine: Engine, *records: InboundRecord) -> None:
    asyncio.run(engine.processor.process(records))


def _dies(engine: Engine, *records: InboundRecord) -> BaseException | None:
    """Process a batch that ends the process, and return the error that it did so for."""
    with pytest.raises(Ended) as ended:
        _process(engine, *records)
    return ended.value.__cause__


def _fail() -> list[OutboundRecord]:
    raise ZeroDivisionError


def _newer_release() -> list[OutboundRecord]:
    raise UnknownFingerprint


def test_all_that_a_batch_causes_is_sent_at_once_then_its_facts_are_stored(engine: Engine) -> None:
    _process(engine, record(0), record(1))

    [batch] = engine.outbound.sent
    assert [(each.topic, each.partition, each.key) for each in batch] == [
        ("out", None, b"source[0]@0"),
        ("out", None, b"source[0]@1"),
        (CHANGELOG, 0, b"source[0]@0"),
        (CHANGELOG, 0, b"source[0]@1"),
    ]
    assert engine.stored() == {b"source[0]@0", b"source[0]@1"}


def test_each_record_is_decided_with_the_facts_of_those_before_it(engine: Engine) -> None:
    _process(engine, record(0), record(1))
    _process(engine, record(2))

    assert [len(known) for known in engine.agent.known] == [0, 1, 2]


def test_facts_go_to_the_changelog_partition_of_their_event(engine: Engine) -> None:
    _process(engine, record(0, partition=1), record(0, partition=3), record(1, partition=1))

    assert engine.stored(1) == {b"source[1]@0", b"source[1]@1"}
    assert engine.stored(3) == {b"source[3]@0"}
    assert engine.table.partitions[1].position == 2
    assert engine.table.partitions[3].position == 1


def test_nothing_is_stored_that_was_not_delivered(engine: Engine) -> None:
    engine.outbound.fault = lambda records: DeliveryError(
        0, records[0], KafkaError(KafkaError._MSG_TIMED_OUT)
    )

    assert isinstance(_dies(engine, record(0)), DeliveryError)
    assert engine.stored() == set()


def test_an_unexpected_error_ends_the_process_before_anything_left(engine: Engine) -> None:
    engine.agent.scripts["source[0]@1"] = _fail

    assert isinstance(_dies(engine, record(0), record(1)), ZeroDivisionError)
    assert engine.sent == []
    assert engine.deaths("source[0]@1") == 1
    assert engine.deaths("source[0]@0") == 0


def test_an_unknown_fingerprint_ends_the_process_without_counting_as_a_death(
    engine: Engine,
) -> None:
    engine.agent.scripts["source[0]@0"] = _newer_release

    for _ in range(4):
        engine.start()
        assert isinstance(_dies(engine, record(0)), UnknownFingerprint)

    assert engine.deaths("source[0]@0") == 0
    assert engine.agent.quarantined == []


def test_after_the_third_death_that_record_alone_is_quarantined(engine: Engine) -> None:
    batch = (record(0), record(1), record(2))
    engine.agent.scripts["source[0]@1"] = _fail
    for _ in range(3):
        engine.start()
        _dies(engine, *batch)

    engine.start()
    engine.agent.handled.clear()
    _process(engine, *batch)

    assert engine.agent.quarantined == [("source[0]@1", 3)]
    assert engine.agent.handled == ["source[0]@0", "source[0]@2"]
    assert ("dead", b"source[0]@1") in engine.sent
    assert engine.stored() == {b"source[0]@0", b"source[0]@2"}


@pytest.mark.parametrize(
    "code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.INVALID_MSG]
)
def test_a_record_that_kafka_never_takes_is_blamed_on_its_cause(engine: Engine, code: int) -> None:
    def refuse_the_second(records: Sequence[OutboundRecord]) -> DeliveryError:
        return DeliveryError(1, records[1], KafkaError(code))

    engine.outbound.fault = refuse_the_second
    for _ in range(3):
        engine.start()
        _dies(engine, record(0), record(1))
    assert engine.deaths("source[0]@1") == 3
    assert engine.deaths("source[0]@0") == 0

    engine.outbound.fault = None
    engine.start()
    _process(engine, record(0), record(1))
    assert engine.agent.quarantined == [("source[0]@1", 3)]


@pytest.mark.parametrize("code", [KafkaError._MSG_TIMED_OUT, KafkaError.NOT_LEADER_FOR_PARTITION])
def test_no_record_is_blamed_for_a_broker_that_cannot_be_reached(engine: Engine, code: int) -> None:
    engine.outbound.fault = lambda records: DeliveryError(0, records[0], KafkaError(code))

    _dies(engine, record(0))

    assert engine.deaths("source[0]@0") == 0


def test_no_event_is_blamed_for_a_fact_that_kafka_does_not_take(engine: Engine) -> None:
    engine.outbound.fault = lambda records: DeliveryError(
        len(records) - 1, records[-1], KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    )

    _dies(engine, record(0))

    assert engine.deaths("source[0]@0") == 0


def test_a_batch_is_decided_again_where_another_worker_wrote_meanwhile(engine: Engine) -> None:
    _process(engine, record(0))
    engine.table.partitions[0].foreign = {b"another worker's": b"fact"}
    engine.agent.known.clear()
    engine.outbound.sent.clear()

    _process(engine, record(1))

    assert engine.agent.known == [
        {b"source[0]@0"},
        {b"source[0]@0", b"source[0]@1", b"another worker's"},
    ]
    assert [len(batch) for batch in engine.outbound.sent] == [2, 1]


def test_a_gap_on_one_partition_decides_the_whole_batch_again_and_stores_the_other(
    engine: Engine,
) -> None:
    _process(engine, record(0, partition=0), record(0, partition=1))
    engine.table.partitions[0].foreign = {b"another worker's": b"fact"}

    _process(engine, record(1, partition=0), record(1, partition=1))

    assert b"source[1]@1" in engine.stored(1)
    assert engine.agent.handled[-2:] == ["source[0]@1", "source[1]@1"]
    assert len(engine.agent.handled) == 6


def test_the_first_batch_of_a_partition_recovers_it_once(engine: Engine) -> None:
    _process(engine, record(0, partition=2))
    _process(engine, record(1, partition=2))

    assert engine.table.recovered == [2]


def test_an_assignment_recovers_what_is_not_whole_and_a_batch_need_not(engine: Engine) -> None:
    asyncio.run(engine.processor.assigned([3, 1, 3]))
    asyncio.run(engine.processor.assigned([1, 3]))
    _process(engine, record(0, partition=1))

    assert engine.table.recovered == [1, 3]


def test_a_partition_that_was_away_is_recovered_again(engine: Engine) -> None:
    asyncio.run(engine.processor.assigned([1]))
    engine.processor.revoked()
    asyncio.run(engine.processor.assigned([1]))

    assert engine.table.recovered == [1, 1]


def test_a_new_changelog_begins_with_its_genesis(engine: Engine) -> None:
    engine.table.is_new = True

    asyncio.run(engine.processor.assigned([1]))

    assert engine.sent == [(CHANGELOG, GENESIS_KEY)]
    assert engine.stored(1) == {GENESIS_KEY}
    assert engine.table.partitions[1].position == 1


def test_a_recovery_that_fails_ends_the_process(engine: Engine) -> None:
    engine.table.fault = TimeoutError("no answer")

    with pytest.raises(Ended, match="recovering facts"):
        asyncio.run(engine.processor.assigned([1]))
    assert isinstance(_dies(engine, record(0)), TimeoutError)


def test_offsets_that_follow_each_other_are_not_asked_about(engine: Engine) -> None:
    _process(engine, record(5), record(6))
    engine.table.skipped.clear()
    _process(engine, record(7), record(8))

    assert engine.table.skipped == []
    assert engine.table.checked == [0], "of the first batch"


def test_a_gap_in_the_offsets_is_looked_into(engine: Engine) -> None:
    _process(engine, record(5), record(0, partition=1))
    engine.table.skipped.clear()
    _process(engine, record(8), record(1, partition=1))

    assert engine.table.skipped == [(0, 6, 8)]


def test_an_offset_that_falls_back_is_looked_into(engine: Engine) -> None:
    """So begins a topic that was made anew while it was being read."""
    _process(engine, record(5), record(6))
    engine.table.skipped.clear()
    _process(engine, record(0), record(1))

    assert engine.table.skipped == [(0, 7, 0)]


def test_records_removed_unread_end_the_process(engine: Engine) -> None:
    _process(engine, record(5))
    engine.table.skip_fault = LookupError("removed")

    assert isinstance(_dies(engine, record(8)), LookupError)
    assert engine.agent.handled == ["source[0]@5"]


def test_records_removed_unread_before_the_first_one_end_the_process(engine: Engine) -> None:
    """The partition was assigned and idle: there is no offset yet that should have come."""
    asyncio.run(engine.processor.assigned([0]))
    engine.table.source_fault = LookupError("removed")

    assert isinstance(_dies(engine, record(8)), LookupError)
    assert engine.agent.handled == []


def test_a_source_made_anew_before_the_first_record_ends_the_process(engine: Engine) -> None:
    asyncio.run(engine.processor.assigned([0]))
    engine.table.skip_fault = LookupError("made anew")

    assert isinstance(_dies(engine, record(0)), LookupError)
    assert engine.agent.handled == []


def test_after_a_rebalance_the_positions_are_checked_anew_at_the_first_offset(
    engine: Engine,
) -> None:
    _process(engine, record(5), record(0, partition=1))
    engine.processor.revoked()
    _process(engine, record(50))

    assert engine.table.checked == [0, 1, 0]
    assert engine.table.skipped == [(0, 0, 5), (1, 0, 0), (0, 0, 50)], "nothing of before"


def test_the_first_record_must_follow_what_was_processed_or_be_of_it(engine: Engine) -> None:
    engine.table.processed = 7
    _process(engine, record(9), record(3, partition=1))

    assert sorted(engine.table.skipped) == [(0, 7, 9), (1, 3, 3)]
