"""What a process of ours says of the system, asked as `outbox status` asks."""

import socket

import pytest

from infra.local.health import Answer, ask, page_answers
from infra.local.programs import Endpoint
from stream_processors.engine.health import Pages, serve_pages

NOWHERE = "postgresql://127.0.0.1:1/postgres"


@pytest.fixture
def endpoint() -> Endpoint:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    return Endpoint("scheduler", port, address, health_url=f"{address}/health")


def test_faults_come_before_notices_also_from_a_page_that_is_ill(endpoint: Endpoint) -> None:
    health = {"ready": False, "notices": {"a": "a notice"}, "faults": {"b": "a fault"}}
    serve_pages(("127.0.0.1", endpoint.port), Pages("one", lambda: health))
    assert ask(endpoint, NOWHERE) == Answer(healthy=False, complaints=("a fault", "a notice"))
    assert page_answers(str(endpoint.health_url))


def test_a_page_that_knows_of_neither_complains_of_nothing(endpoint: Endpoint) -> None:
    serve_pages(
        ("127.0.0.1", endpoint.port), Pages("one", lambda: {"ready": True, "assignment": []})
    )
    assert ask(endpoint, NOWHERE) == Answer(healthy=True)


def test_a_process_that_does_not_answer_complains_of_nothing(endpoint: Endpoint) -> None:
    assert ask(endpoint, NOWHERE) == Answer(healthy=False, answered=False)
    assert not page_answers(str(endpoint.health_url))


def test_a_process_without_a_page_does_no_work_that_could_be_seen() -> None:
    assert ask(Endpoint("worker-1", 1, "127.0.0.1:1"), NOWHERE) == Answer(
        healthy=False, answered=False
    )
