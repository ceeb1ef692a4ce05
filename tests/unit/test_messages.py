import base64
import json
from typing import Any

import pytest

from stream_processors.engine.messages import InboundRecord


def _record(**changes: Any) -> InboundRecord:
    fields: dict[str, Any] = {"key": b"key", "value": b"value", **changes}
    return InboundRecord("events.session", 3, 17, **fields)


def test_a_position_names_topic_partition_and_offset() -> None:
    assert _record().position == "events.session[3]@17"


def test_text_stays_text() -> None:
    assert _record(value='{"a": "é\\u0000"}'.encode()).as_json() == {
        "topic": "events.session",
        "partition": 3,
        "offset": 17,
        "key": "key",
        "value": '{"a": "é\\u0000"}',
        "headers": [],
    }


@pytest.mark.parametrize("content", [b"\xff", b"half a char \xc3", b"with \0 in it"])
def test_bytes_that_jsonb_cannot_hold_as_text_are_in_base64(content: bytes) -> None:
    as_json = _record(key=content, value=content, headers={"h": content}).as_json()

    encoded = base64.b64encode(content).decode()
    assert as_json["key_base64"] == encoded
    assert as_json["value_base64"] == encoded
    assert as_json["headers"] == [{"name": "h", "value_base64": encoded}]
    assert not {"key", "value"} & as_json.keys()


def test_what_is_absent_is_null() -> None:
    as_json = _record(key=None, value=None, headers={"h": None}).as_json()

    assert (as_json["key"], as_json["value"]) == (None, None)
    assert as_json["headers"] == [{"name": "h", "value": None}]


def test_empty_is_not_absent() -> None:
    assert _record(value=b"").as_json()["value"] == ""


def test_any_byte_has_a_json_form_that_gives_it_back() -> None:
    for content in (bytes([byte]) for byte in range(256)):
        written = json.loads(json.dumps(_record(value=content).as_json()))
        read = (
            written["value"].encode()
            if "value" in written
            else base64.b64decode(written["value_base64"])
        )
        assert read == content
