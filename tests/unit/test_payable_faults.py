from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.records import Payable
from stream_processors.ledger.checking import fault_of

SESSION = Payable(
    ledger_id="e853806a-84ff-50e1-a61b-5c765a09e1d5",
    kind="session",
    mentor_id="mentor-1",
    contract_id="contract-1",
    student_id="student-1",
    session_id="session-1",
    service_package_id=None,
    price_code="single",
    occurred_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    source_event_id="0197f2d0-0000-7000-8000-000000000001",
    session_ids=("session-1",),
)
PACKAGE = replace(SESSION, kind="package", session_id=None, service_package_id="package-1")


@pytest.mark.parametrize("payable", [SESSION, PACKAGE, replace(SESSION, mentor_id="ü" * 255)])
def test_what_the_processors_write_can_be_posted(payable: Payable) -> None:
    assert fault_of(payable) is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"kind": "gift"}, "kind 'gift'"),
        ({"session_id": None}, "a session has its own id"),
        ({"service_package_id": "package-1"}, "a session has its own id"),
        ({"kind": "package"}, "a package has its own id"),
        ({"ledger_id": "no uuid"}, "ledger_id is no uuid"),
        ({"ledger_id": SESSION.ledger_id.upper()}, "ledger_id is no uuid in lower case"),
        ({"ledger_id": 7}, "ledger_id is no uuid"),
        ({"source_event_id": None}, "source_event_id is no uuid"),
        ({"mentor_id": ""}, "mentor_id is no text"),
        ({"contract_id": "c" * 256}, "contract_id is no text"),
        ({"student_id": "s\0"}, "student_id is no text"),
        ({"price_code": None}, "price_code is no text"),
        ({"session_id": "s\0"}, "session_id is no text"),
        ({"session_ids": ()}, "session_ids are not"),
        ({"session_ids": ("session-1", 2)}, "session_ids are not"),
        ({"occurred_at": datetime(2026, 3, 1)}, "occurred_at has no offset"),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_posted_names_the_field(changes: dict[str, Any], fault: str) -> None:
    assert fault in (fault_of(replace(SESSION, **changes)) or "")
