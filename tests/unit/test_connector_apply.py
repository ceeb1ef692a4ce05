from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from connectors import apply as applying
from connectors.apply import Site, apply
from connectors.client import ConnectClient
from connectors.definition import Definition, load_definitions
from connectors.plan import ActionKind
from connectors.position import Publication, Slot, Source

NAME = "outbox_events"


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A connector that runs as defined, at the very end of a log that grows with each look."""
    definition = load_definitions(Path("/secrets"))[0]
    ends = count(1_000)

    def read(_: Site) -> Source:
        slot = Slot(
            NAME,
            "pgoutput",
            active=True,
            restart_lsn=1,
            confirmed_flush_lsn=1,
            wal_status="reserved",
            invalidation_reason=None,
            current_lsn=next(ends),
        )
        return Source(NAME, NAME, slot, Publication(inserts=True, via_root=True, has_table=True))

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=_page(definition, request.url.path, ends))

    monkeypatch.setattr(applying, "read", read)
    with ConnectClient("http://connect", transport=httpx.MockTransport(answer)) as client:
        yield Site(client, definition, "postgresql://", timeout_seconds=1)


def _page(definition: Definition, path: str, ends: Iterator[int]) -> object:
    task = {"id": 0, "state": "RUNNING", "worker_id": "w"}
    if path.endswith("/config"):
        return {"name": definition.name, **definition.config}
    if path.endswith("/offsets"):
        offset = {"lsn_proc": next(ends)}
        return {"offsets": [{"partition": definition.source_partition, "offset": offset}]}
    return {"connector": {"state": "RUNNING", "worker_id": "w"}, "tasks": [task]}


def test_a_connector_that_reads_on_meanwhile_is_not_taken_for_one_beyond_the_end_of_the_log(
    running: Site,
) -> None:
    assert apply(running).kind is ActionKind.NOTHING
