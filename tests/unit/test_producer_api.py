"""What the application's API says of itself, and how it reads headers: no database is needed."""

from __future__ import annotations

import asyncio
import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from producer_app.api.application import create_application
from producer_app.api.idempotency import KEY_PATTERN, keyed_request
from producer_app.api.problem_kinds import PROBLEM_KINDS, kind_of_refusal
from producer_app.api.problems import ProblemError
from producer_app.api.server import listen
from producer_app.database import connect
from producer_app.refusals import DomainRefusal

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "application-api.md"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    engine = connect("postgresql://nobody@127.0.0.1:1/nothing")
    return create_application(engine, timedelta(hours=1)).openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_tells_its_errors_as_problems(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        told = {status: r["content"] for status, r in operation["responses"].items()}
        assert {"422", "500", "503"} <= set(told), (method, path)
        for status, content in told.items():
            media_type = "application/json" if status[0] == "2" else "application/problem+json"
            assert list(content) == [media_type], (method, path, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_change_takes_an_idempotency_key_and_a_trace(document: dict[str, Any]) -> None:
    changes = [operation for method, _, operation in operations(document) if method == "post"]
    assert len(changes) == 7
    for change in changes:
        headers = {p["name"] for p in change["parameters"] if p["in"] == "header"}
        assert headers == {"Idempotency-Key", "traceparent"}
        assert {"400", "403", "409", "413", "415"} <= set(change["responses"])


def test_links_name_operations_that_there_are(document: dict[str, Any]) -> None:
    known = {operation["operationId"]: operation for _, _, operation in operations(document)}
    linked = [
        link
        for operation in known.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert len(linked) == 9
    for link in linked:
        parameters = {p["name"] for p in known[link["operationId"]]["parameters"]}
        assert set(link["parameters"]) <= parameters


def test_bounds_of_what_is_taken_stand_in_the_document(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    quantity = schemas["Service"]["properties"]["quantity"]
    assert (quantity["minimum"], quantity["maximum"]) == (1, 2_147_483_647)
    assert schemas["NewSession"]["additionalProperties"] is False


def test_each_kind_of_problem_is_listed_with_its_status_in_the_documentation() -> None:
    listed = dict(
        re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", DOCUMENTATION.read_text(), re.MULTILINE)
    )
    assert listed == {name: str(int(kind.status)) for name, kind in PROBLEM_KINDS.items()}


def test_each_refusal_of_the_domain_is_a_client_s_error_with_a_description() -> None:
    for refusal in DomainRefusal.__subclasses__():
        kind = kind_of_refusal(refusal)
        assert 400 <= kind.status < 500
        assert kind.description.endswith(".")
        assert PROBLEM_KINDS[kind.name] == kind


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"8e03978e-40d5"', "8e03978e-40d5"),
        ("8e03978e-40d5", "8e03978e-40d5"),
        ('"a b"', "a b"),
        (r'"say \"hi\" \\"', r'say "hi" \\'.replace("\\\\", "\\")),
        ('"' + "x" * 255 + '"', "x" * 255),
    ],
)
def test_a_key_is_a_string_of_structured_fields_or_the_same_without_quotes(
    header: str, key: str
) -> None:
    assert keyed_request(header, "POST", "/users", b"").key == key
    assert re.match(KEY_PATTERN, header)


@pytest.mark.parametrize("header", ["", '""', '"', '"a', 'a"', r'"\a"', "a b", "ä", "x" * 256])
def test_what_is_no_key_is_refused_with_an_example(header: str) -> None:
    with pytest.raises(ProblemError, match='Idempotency-Key: "'):
        keyed_request(header, "POST", "/users", b"")


def test_method_path_and_body_tell_requests_of_one_key_apart() -> None:
    requests = [
        ("POST", "/users", b"{}"),
        ("POST", "/users", b"{ }"),
        ("POST", "/users/", b"{}"),
        ("PUT", "/users", b"{}"),
    ]
    assert len({keyed_request("k", *request).fingerprint for request in requests}) == 4
    assert keyed_request("k", *requests[0]) == keyed_request('"k"', *requests[0])


def test_a_small_answer_is_sent_at_once() -> None:
    """Without TCP_NODELAY on what is accepted an answer waits 40 ms for more to send."""

    async def option_of_accepted() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(note, sock=listen(0)) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.close()
            return await accepted

    assert asyncio.run(option_of_accepted()) == 1
