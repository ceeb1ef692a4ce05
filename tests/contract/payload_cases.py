"""Payloads, good and bad, with the words that either side of the contract refuses them with.

Read by the unit test of the codec and by the integration test of the database's check.
"""

from __future__ import annotations

import json
from typing import Any

COMPLETED = "services.session.completed"
EVALUATED = "services.session.evaluated"
VOIDED = "services.session.voided"
SIGNED = "contract.signed"
CONSUMED = "service.consumed"

Case = tuple[str, str, str | None]  # event type, payload as JSON text, what is wrong with it

ACCEPTED = None
DEEPEST = 1024  # levels, the payload itself included
LARGEST = 900_000  # bytes

VALID: dict[str, dict[str, Any]] = {
    COMPLETED: {
        "sessionId": "s-1",
        "contractId": "c-1",
        "mentorId": "m-1",
        "studentId": "st-1",
        "sessionType": "mock_interview",
        "requiredEvaluation": False,
        "completedAt": "2026-03-01T10:00:00Z",
    },
    EVALUATED: {"sessionId": "s-1", "evaluatedAt": "2026-03-01T10:00:00Z"},
    VOIDED: {
        "sessionId": "s-1",
        "eventId": "0197f2d0-0000-7000-8000-00000000000A",
        "reason": "entered twice",
    },
    SIGNED: {
        "contractId": "c-1",
        "studentId": "st-1",
        "signedAt": "2026-03-01T10:00:00Z",
        "services": [
            {"sessionType": "mock_interview", "quantity": 2},
            {"sessionType": "resume", "quantity": 1},
        ],
    },
    "contract.activated": {"contractId": "c-1", "activatedAt": "2026-03-01T10:00:00Z"},
    CONSUMED: {
        "contractId": "c-1",
        "sessionId": "s-1",
        "sessionType": "mock_interview",
        "quantity": 1,
        "remaining": 0,
    },
    "user.signup": {"userId": "u-1", "signedUpAt": "2026-03-01T10:00:00Z"},
}

_NOT_A_TIME = (
    "is not an RFC 3339 time with an offset, years 1970 to 2999, at most 6 fractional digits"
)
_TOGETHER = (
    "is missing or null, but servicePackageId, packageCode, packageTotalSessions "
    "come together or not at all"
)
_A_TOTAL = "is not an integer from 1 to 2147483647"
_A_REMAINDER = "is not an integer from 0 to 2147483647"
_PACKAGE = {"servicePackageId": "p-1", "packageCode": "ten", "packageTotalSessions": 10}


def changed(event_type: str, changes: dict[str, Any]) -> str:
    """Return a valid payload with these fields changed, as JSON text; `...` takes one away."""
    payload = {**VALID[event_type], **changes}
    return json.dumps({name: value for name, value in payload.items() if value is not ...})


def nested(levels: int) -> str:
    """Return a valid payload that is so many levels deep."""
    filler = "[" * (levels - 1) + "]" * (levels - 1)
    return '{"userId": "u-1", "signedUpAt": "2026-03-01T10:00:00Z", "more": ' + filler + "}"


def sized(byte_count: int) -> str:
    """Return a valid payload that is so long, as PostgreSQL writes jsonb."""
    empty = '{"more": "", "userId": "u-1", "signedUpAt": "2026-03-01T10:00:00Z"}'
    return empty.replace('""', '"' + "x" * (byte_count - len(empty)) + '"', 1)


def _times() -> list[Case]:
    return [_completed({"completedAt": time}, ACCEPTED) for time in GOOD_TIMES] + [
        _completed({"completedAt": time}, f"completedAt: '{time[:64]}' {_NOT_A_TIME}")
        for time in BAD_TIMES
    ]


def _completed(changes: dict[str, Any], problem: str | None) -> Case:
    return COMPLETED, changed(COMPLETED, changes), problem


def _package(changes: dict[str, Any], problem: str | None) -> Case:
    return _completed({**_PACKAGE, **changes}, problem)


def _texts() -> list[Case]:
    return [
        _completed({"mentorId": ...}, "mentorId: is missing or null"),
        _completed({"mentorId": None}, "mentorId: is missing or null"),
        _completed({"mentorId": ""}, "mentorId: is empty"),
        _completed({"mentorId": 7}, "mentorId: is not a string"),
        _completed({"mentorId": ["m-1"]}, "mentorId: is not a string"),
        _completed({"mentorId": {"id": "m-1"}}, "mentorId: is not a string"),
        _completed({"mentorId": "m" * 255}, ACCEPTED),
        _completed({"mentorId": "m" * 256}, "mentorId: is longer than 255 characters"),
        _completed({"mentorId": "\N{GRINNING FACE}" * 255}, ACCEPTED),
        _completed(
            {"mentorId": "\N{GRINNING FACE}" * 256},
            "mentorId: is longer than 255 characters",
        ),
        _completed({"mentorId": " "}, ACCEPTED),
        _completed({"mentorId": "line\nbreak, 'quote', \\ and %s {}"}, ACCEPTED),
        _completed({"sessionId": ..., "completedAt": 5}, "sessionId: is missing or null"),
        _completed({"completedAt": 5}, "completedAt: is not a string"),
        _completed({"completedAt": None}, "completedAt: is missing or null"),
        (VOIDED, changed(VOIDED, {"reason": ""}), "reason: is empty"),
        (VOIDED, changed(VOIDED, {"reason": "because " * 1_000}), ACCEPTED),
        (VOIDED, changed(VOIDED, {"eventId": 5}), "eventId: is not a string"),
        (VOIDED, changed(VOIDED, {"eventId": "e-1"}), "eventId: 'e-1' is not a uuid"),
        (
            VOIDED,
            changed(VOIDED, {"eventId": "0197f2d00000700080000000000000aa"}),
            "eventId: '0197f2d00000700080000000000000aa' is not a uuid",
        ),
        (
            VOIDED,
            changed(VOIDED, {"eventId": "0197f2d0-0000-7000-8000-00000000000a\n"}),
            "eventId: '0197f2d0-0000-7000-8000-00000000000a\n' is not a uuid",
        ),
    ]


def _numbers() -> list[Case]:
    no_booleans: list[Any] = [1, 0, "true", "", [], {}]
    no_totals: list[Any] = [0, -1, 2**31, 10**30, 10.0, 1.5, "10", True, [10], {}]
    booleans = [
        _completed({"requiredEvaluation": value}, "requiredEvaluation: is not a boolean")
        for value in no_booleans
    ]
    totals = [
        _package({"packageTotalSessions": value}, f"packageTotalSessions: {_A_TOTAL}")
        for value in no_totals
    ]
    ratings = [
        (EVALUATED, changed(EVALUATED, {"rating": value}), problem)
        for value, problem in (
            (5, ACCEPTED),
            (4.5, ACCEPTED),
            (-1, ACCEPTED),
            (10**40, ACCEPTED),
            (None, ACCEPTED),
            ("5", "rating: is not a number"),
            (True, "rating: is not a number"),
            ([5], "rating: is not a number"),
        )
    ]
    consumed = [
        (CONSUMED, changed(CONSUMED, {"remaining": 2**31 - 1}), ACCEPTED),
        (CONSUMED, changed(CONSUMED, {"remaining": -1}), "remaining: " + _A_REMAINDER),
        (CONSUMED, changed(CONSUMED, {"remaining": None}), "remaining: is missing or null"),
        (CONSUMED, changed(CONSUMED, {"quantity": 0}), "quantity: " + _A_TOTAL),
    ]
    return [*booleans, *totals, *ratings, *consumed]


def _packages() -> list[Case]:
    return [
        _package({}, ACCEPTED),
        _package({"packageTotalSessions": 1}, ACCEPTED),
        _package({"packageTotalSessions": 2**31 - 1}, ACCEPTED),
        _package(dict.fromkeys(_PACKAGE), ACCEPTED),
        _package({"servicePackageId": ...}, f"servicePackageId: {_TOGETHER}"),
        _package({"packageCode": ...}, f"packageCode: {_TOGETHER}"),
        _package({"packageCode": None}, f"packageCode: {_TOGETHER}"),
        _package({"packageTotalSessions": ...}, f"packageTotalSessions: {_TOGETHER}"),
        _package(
            {"packageCode": ..., "packageTotalSessions": ...},
            f"packageCode: {_TOGETHER}",
        ),
        _package({"packageCode": ""}, "packageCode: is empty"),
        _package({"durationMinutes": 30, "anything": {"else": [1, 2.5, None]}}, ACCEPTED),
        _package({"durationMinutes": "30"}, "durationMinutes: is not a number"),
    ]


def _services() -> list[Case]:
    good = {"sessionType": "resume", "quantity": 1}
    return [
        (SIGNED, changed(SIGNED, {"services": services}), problem)
        for services, problem in (
            ([], ACCEPTED),
            ([{**good, "note": "kept"}], ACCEPTED),
            (..., "services: is missing or null"),
            (None, "services: is missing or null"),
            ({}, "services: is not an array"),
            ("resume", "services: is not an array"),
            ([good, "resume"], "services[1]: is not a JSON object"),
            ([None], "services[0]: is not a JSON object"),
            ([[]], "services[0]: is not a JSON object"),
            ([good, {"quantity": 1}], "services[1].sessionType: is missing or null"),
            ([{**good, "sessionType": ""}], "services[0].sessionType: is empty"),
            ([good, good, {**good, "quantity": 0}], "services[2].quantity: " + _A_TOTAL),
            ([{**good, "quantity": True}, 5], "services[0].quantity: " + _A_TOTAL),
        )
    ]


def _shapes() -> list[Case]:
    return [
        *((event_type, json.dumps(payload), ACCEPTED) for event_type, payload in VALID.items()),
        *((COMPLETED, value, "is not a JSON object") for value in _NO_OBJECTS),
        ("user.signup", nested(DEEPEST), ACCEPTED),
        ("user.signup", sized(LARGEST), ACCEPTED),
        ("user.signup", sized(LARGEST + 1), "is larger than 900000 bytes"),
    ]


GOOD_TIMES = (
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00+23:59",
    "2999-12-31T23:59:59.999999-23:59",
    "2026-03-01t10:00:00z",
    "2026-03-01T10:00:00.1+05:30",
    "2026-03-01T10:00:00-00:00",
    "2024-02-29T00:00:00Z",
    "2000-02-29T00:00:00Z",
    "2400-02-29T00:00:00Z",
)
BAD_TIMES = (
    "",
    "2026-03-01",
    "2026-03-01T10:00:00",
    "2026-03-01 10:00:00Z",
    "2026-03-01T10:00Z",
    "2026-03-01T10:00:00.Z",
    "2026-03-01T10:00:00.1234567Z",
    "2026-03-01T10:00:00,5Z",
    "2026-03-01T10:00:60Z",
    "2026-03-01T10:60:00Z",
    "2026-03-01T24:00:00Z",
    "2026-03-01T10:00:00+24:00",
    "2026-03-01T10:00:00+01:60",
    "2026-03-01T10:00:00+0100",
    "2026-03-01T10:00:00+01",
    "2026-03-01T10:00:00Z ",
    "2026-03-01T10:00:00Z\n",
    " 2026-03-01T10:00:00Z",
    "1969-12-31T23:59:59Z",
    "3000-01-01T00:00:00Z",
    "12026-03-01T10:00:00Z",
    "2026-00-01T10:00:00Z",
    "2026-13-01T10:00:00Z",
    "2026-03-00T10:00:00Z",
    "2026-03-32T10:00:00Z",
    "2026-02-29T10:00:00Z",
    "2100-02-29T10:00:00Z",
    "2024-02-30T10:00:00Z",
    "2024-02-31T10:00:00Z",
    "2026-04-31T10:00:00Z",
    "2026-06-31T10:00:00Z",
    "2026-09-31T10:00:00Z",
    "2026-11-31T10:00:00Z",
    "\N{FULLWIDTH DIGIT TWO}026-03-01T10:00:00Z",
    "20260301T100000Z",
    "2026-W09-7T10:00:00Z",
    "x" * 300,
)
_NO_OBJECTS = ("null", "[]", "5", "true", '"text"', "[{}]")

CASES: list[Case] = [
    *_shapes(),
    *_texts(),
    *_times(),
    *_numbers(),
    *_packages(),
    *_services(),
]
