"""docs/application-api.md does what it says: its requests are sent, its answers compared."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from httpx import URL

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "application-api.md"
EXAMPLE = re.compile(r"^```\n(curl .*?)^```\n```http\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
TIME = re.compile(r'"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"')


def send(client: httpx.Client, command: str) -> httpx.Response:
    """Do what curl does with these options, and fail at any other."""
    _, *words = shlex.split(command.replace("\\\n", " "))
    method, headers, body, address = "GET", {}, None, ""
    remaining = iter(words)
    for word in remaining:
        match word:
            case "-i":
                pass
            case "-X":
                method = next(remaining)
            case "-H":
                name, _, value = next(remaining).partition(": ")
                headers[name] = value
            case "--json":
                method, body = "POST", next(remaining)
                headers["Content-Type"] = "application/json"
            case _:
                assert word.startswith("http://127.0.0.1:8000/"), word
                address = word
    return client.request(method, URL(address).path, headers=headers, content=body)


def with_times_alike(body: str) -> Any:
    return json.loads(TIME.sub('"a time"', body))


def test_the_documented_requests_have_the_documented_answers(
    api: httpx.Client, events: Callable[[], list[dict[str, Any]]]
) -> None:
    examples = EXAMPLE.findall(DOCUMENTATION.read_text())
    assert len(examples) == 9
    for command, expected in examples:
        answer = send(api, command)
        head, _, body = expected.partition("\n\n")
        status_line, *headers = head.splitlines()
        assert f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}" == status_line, command
        for name, _, value in (header.partition(": ") for header in headers):
            assert answer.headers[name] == value, command
        assert with_times_alike(answer.text) == with_times_alike(body), command
    traces = {event["event_type"]: event["traceparent"] for event in events()}
    assert traces["services.session.completed"].startswith("00-0af7651916cd43dd8448eb211c80319c")
    assert traces["services.session.evaluated"] is None
