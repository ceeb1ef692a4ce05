"""Faust acknowledges a batch when its iteration ends, cancelled or not: it must not end early."""

import asyncio
from pathlib import Path

import pytest

from stream_processors.engine import processing
from stream_processors.engine.messages import OutboundRecord
from tests.unit.engine_fakes import Ended, Engine, record


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    def end_process(doing: str, error: BaseException) -> None:
        raise Ended(doing) from error

    monkeypatch.setattr(processing, "end_process", end_process)
    return Engine(tmp_path)


async def _cancel_in_mid_batch(engine: Engine, times: int) -> "asyncio.Task[None]":
    """Cancel a batch so often while Kafka has not answered yet; then let Kafka answer."""
    engine.outbound.gate = asyncio.Event()
    task = asyncio.ensure_future(engine.processor.process([record(0)]))
    await engine.outbound.arrived.wait()
    for _ in range(times):
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done(), "it did not wait for the batch"
    engine.outbound.gate.set()
    await asyncio.wait([task], timeout=5)
    return task


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_cancelled_batch_is_finished_first(engine: Engine, times: int) -> None:
    task = asyncio.run(_cancel_in_mid_batch(engine, times))

    assert task.cancelled()
    assert engine.stored() == {b"source[0]@0"}
    assert [len(batch) for batch in engine.outbound.sent] == [2]


def test_a_cancelled_batch_that_fails_ends_the_process(engine: Engine) -> None:
    def fail() -> list[OutboundRecord]:
        raise ZeroDivisionError

    async def cancel_while_it_fails() -> None:
        task = asyncio.ensure_future(engine.processor.process([record(0)]))
        engine.agent.scripts["source[0]@0"] = fail
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(Ended):
        asyncio.run(cancel_while_it_fails())


def test_a_batch_whose_own_task_is_cancelled_ends_the_process(engine: Engine) -> None:
    """As the shutdown of an event loop does, which cancels every task there is."""

    async def cancel_everything() -> None:
        engine.outbound.gate = asyncio.Event()
        mine = asyncio.current_task()
        task = asyncio.ensure_future(engine.processor.process([record(0)]))
        await engine.outbound.arrived.wait()
        for each in asyncio.all_tasks() - {mine}:
            each.cancel()
        await task

    with pytest.raises(Ended):
        asyncio.run(cancel_everything())


def test_batches_wait_for_each_other(engine: Engine) -> None:
    """Faust can hand out a batch while that of a cancelled iteration is still under way."""

    async def two_at_once() -> list[str]:
        engine.outbound.gate = asyncio.Event()
        tasks = [
            asyncio.ensure_future(engine.processor.process([record(offset)])) for offset in (0, 1)
        ]
        await engine.outbound.arrived.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        in_hand = list(engine.agent.handled)
        engine.outbound.gate.set()
        await asyncio.gather(*tasks)
        return in_hand

    assert asyncio.run(two_at_once()) == ["source[0]@0"]
    assert engine.agent.handled == ["source[0]@0", "source[0]@1"]
