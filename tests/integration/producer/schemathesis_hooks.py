"""What schemathesis is told beside the OpenAPI document: SCHEMATHESIS_HOOKS names this module."""

import uuid
from typing import Any
from zlib import crc32

import schemathesis

HEADER = "Idempotency-Key"
IDS = ("contract_id", "session_id", "contractId", "sessionId")
IDS_THERE_ARE = 6


@schemathesis.hook
def before_call(_: Any, case: Any, **__: Any) -> None:
    """Make a request that is meant to be valid so in what a JSON schema can't say.

    Its key is its own, session types come once in a contract, and ids are a few, so that most
    requests find what others left: random ones would meet nothing but unknown sessions.
    """
    if not case.meta.generation.mode.is_positive:
        return
    if case.headers and HEADER in case.headers:
        case.headers[HEADER] = f'"{uuid.uuid4()}"'
    for part in (case.path_parameters, case.body):
        if isinstance(part, dict):
            for name in IDS:
                if name in part:
                    part[name] = f"id-{crc32(part[name].encode()) % IDS_THERE_ARE}"
            if "sessionType" in part:
                part["sessionType"] = "type-0"
            for number, service in enumerate(part.get("services", [])):
                service["sessionType"] = f"type-{number}"
