"""Whatever is sent: a problem document that says what to correct, never a fault of the server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from producer_app.api.body_limit import BODY_BYTES_MAX
from tests.integration.producer.stories import problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

JSON = {"Content-Type": "application/json"}
USER = b'{"userId": "user-1"}'


def _user(user_id: object) -> bytes:
    return json.dumps({"userId": user_id}).encode()


def _contract(**changes: object) -> bytes:
    service = {"sessionType": "mentoring", "quantity": 1}
    contract: dict[str, Any] = {
        "contractId": "contract-2",
        "studentId": "student-1",
        "services": [service],
    }
    if "quantity" in changes:
        service["quantity"] = changes.pop("quantity")  # type: ignore[assignment]
    return json.dumps({**contract, **changes}).encode()


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/users", _user("nul\0"), "/userId"),
        ("/users", _user("\ud800"), "/userId"),
        ("/users", b'{"userId": "user-1", "\\ud800": 1}', ""),
        ("/users", _user(""), "/userId"),
        ("/users", _user("x" * 256), "/userId"),
        ("/users", _user("x" * 50_000), "/userId"),
        ("/users", _user("line\n"), "/userId"),
        ("/users", _user("a/b"), "/userId"),
        ("/users", _user(".."), "/userId"),
        ("/users", _user(None), "/userId"),
        ("/users", _user(17), "/userId"),
        ("/users", _user(10**4000), "/userId"),
        ("/users", b"[]", ""),
        ("/users", b"null", ""),
        ("/users", b"", ""),
        ("/users", b"{}", "/userId"),
        ("/users", b'{"userId": "user-1", "userName": "x"}', "/userName"),
        ("/users", b'{"userId": "user-1", "~/' + b"x" * 999 + b'": 1}', "/~0~1" + "x" * 98),
        ("/contracts", _contract(quantity=0), "/services/0/quantity"),
        ("/contracts", _contract(quantity=2**31), "/services/0/quantity"),
        ("/contracts", _contract(quantity=10**4000), "/services/0/quantity"),
        ("/contracts", _contract(quantity=1e300), "/services/0/quantity"),
        ("/contracts", _contract(quantity=1.5), "/services/0/quantity"),
        ("/contracts", _contract(quantity=True), "/services/0/quantity"),
        ("/contracts", _contract(quantity="1"), "/services/0/quantity"),
        ("/contracts", _contract(services=[]), "/services"),
        ("/contracts", _contract(services=None), "/services"),
        ("/sessions/session-1/evaluation", b'{"rating": NaN}', "/rating"),
        ("/sessions/session-1/evaluation", b'{"rating": -Infinity}', "/rating"),
        ("/sessions/session-1/evaluation", b'{"rating": 1e999}', "/rating"),
        ("/sessions/session-1/evaluation", b'{"rating": 1' + b"0" * 4000 + b"}", "/rating"),
        ("/sessions/session-1/completion", b'{"completedAt": "2026-03-01"}', "/completedAt"),
    ],
)
def test_a_field_that_is_not_as_it_must_be_is_named(
    lasting_api: httpx.Client, path: str, body: bytes, pointer: str
) -> None:
    refused = lasting_api.post(path, content=body, headers=JSON)
    assert (refused.status_code, problem(refused)) == (422, "request-invalid")
    errors = refused.json()["errors"]
    assert [(error["place"], error["pointer"]) for error in errors] == [("body", pointer)]
    assert len(refused.content) < 2_000


@pytest.mark.parametrize(
    "body",
    [
        b'{"userId": ',
        b"{'userId': 'user-1'}",
        b'{"userId": "\xff"}',
        b"\x00",
        b'{"userId": ' + b"1" * 5_000 + b"}",
        b"[" * 60_000,
    ],
)
def test_a_body_that_is_no_json_is_told_so(lasting_api: httpx.Client, body: bytes) -> None:
    refused = lasting_api.post("/users", content=body, headers=JSON)
    assert (refused.status_code, problem(refused)) == (400, "body-malformed")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/merge-patch+json",
        "multipart/form-data; boundary=x",
        "json",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/users", "/sessions/session-1/completion"])
def test_a_body_of_another_media_type_is_not_read(
    lasting_api: httpx.Client, path: str, content_type: str
) -> None:
    refused = lasting_api.post(path, content=USER, headers={"Content-Type": content_type})
    assert (refused.status_code, problem(refused)) == (415, "media-type-unsupported")


def test_a_media_type_may_have_parameters_and_capitals(lasting_api: httpx.Client) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    user = _user("user-2")
    assert lasting_api.post("/users", content=user, headers=headers).status_code == 201


@pytest.mark.parametrize("path", ["/users", "/sessions/session-1/completion"])
def test_a_body_beyond_the_limit_is_not_read_whether_its_length_is_told_or_not(
    lasting_api: httpx.Client, path: str
) -> None:
    large = _user("x" * 1_000_000)

    def in_chunks() -> Iterator[bytes]:
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000]

    for content in (large, in_chunks()):
        refused = lasting_api.post(path, content=content, headers=JSON)
        assert (refused.status_code, problem(refused)) == (413, "body-too-large")
        assert str(BODY_BYTES_MAX) in refused.json()["detail"]


def test_a_body_of_the_greatest_length_is_read(lasting_api: httpx.Client) -> None:
    fitting = USER + b" " * (BODY_BYTES_MAX - len(USER))
    assert lasting_api.post("/users", content=fitting, headers=JSON).status_code == 201


@pytest.mark.parametrize(
    "path", ["/users/%00", "/users/%ED%A0%80", "/users/" + "x" * 256, "/users/%0A", "/users/a%20b"]
)
def test_an_id_in_a_path_that_can_be_none_is_told_so(lasting_api: httpx.Client, path: str) -> None:
    refused = lasting_api.get(path)
    assert (refused.status_code, problem(refused)) == (422, "request-invalid")
    assert refused.json()["errors"][0]["pointer"] == "/user_id"


@pytest.mark.parametrize("path", ["/", "/user", "/users/", "/users/a%2Fb", "/contracts//sessions"])
def test_a_path_that_is_none_is_told_so(lasting_api: httpx.Client, path: str) -> None:
    refused = lasting_api.get(path)
    assert (refused.status_code, problem(refused)) == (404, "path-unknown")


def test_a_method_that_a_path_does_not_take_is_told_with_those_that_it_does(
    lasting_api: httpx.Client,
) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        refused = lasting_api.request(method, "/contracts")
        assert (refused.status_code, problem(refused)) == (405, "method-not-allowed")
        assert refused.headers["Allow"] == "POST"


def test_a_page_in_a_browser_changes_nothing(lasting_api: httpx.Client) -> None:
    for origin in ("https://elsewhere.example", "http://127.0.0.1:8000", "null"):
        headers = {**JSON, "Origin": origin}
        refused = lasting_api.post("/users", content=_user("user-3"), headers=headers)
        assert (refused.status_code, problem(refused)) == (403, "origin-refused")
    assert lasting_api.get("/users/user-3").status_code == 404


@pytest.mark.parametrize("value", ["", '"', '""', '"open', '"\\x"', "é", "a b", '"x', "x" * 256])
def test_an_idempotency_key_that_is_none_is_told_so(lasting_api: httpx.Client, value: str) -> None:
    headers = {**JSON, "Idempotency-Key": value.encode()}
    refused = lasting_api.post("/users", content=USER, headers=headers)  # type: ignore[arg-type]
    assert (refused.status_code, problem(refused)) == (400, "idempotency-key-invalid")
