"""The parts of the OpenAPI document that FastAPI does not know.

Every error is a problem document, and links tell which operation goes on with what another gave.
"""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from producer_app.api import problems

SERVER_SIDE = (500, 503)
OF_EVERY_CHANGE = (400, 403, 413, 415)

_CONTRACT = {"parameters": {"contract_id": "$response.body#/contractId"}}
_SESSION = {"parameters": {"session_id": "$response.body#/sessionId"}}
_INCLUDED = {"sessionType": "$response.body#/entitlements/0/sessionType"}

LINKS: dict[str, dict[str, dict[str, Any]]] = {
    "sign_up_user": {"get_user": {"parameters": {"user_id": "$response.body#/userId"}}},
    "sign_contract": {"get_contract": _CONTRACT, "activate_contract": _CONTRACT},
    "activate_contract": {"start_session": {**_CONTRACT, "requestBody": _INCLUDED}},
    "start_session": {"get_session": _SESSION, "end_session": _SESSION},
    "end_session": {"complete_session": _SESSION, "evaluate_session": _SESSION},
    "complete_session": {"evaluate_session": _SESSION},
}
"""By operation: the operations that take what its answer holds."""

_REFERENCE = "#/components/schemas/{model}"


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an operation that may fail so, beside what any may fail with."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*statuses, 422, *SERVER_SIDE})
    }


def describe(application: FastAPI) -> None:
    """Have /openapi.json describe problems, and what only requests with a body can meet."""

    def openapi() -> dict[str, Any]:
        if application.openapi_schema is None:
            application.openapi_schema = _document(application)
        return application.openapi_schema

    application.openapi = openapi  # type: ignore[method-assign]  # as FastAPI has it extended


def _document(application: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=application.title,
        version=application.version,
        description=application.description,
        routes=application.routes,
    )
    _, problem = models_json_schema([(problems.Problem, "serialization")], ref_template=_REFERENCE)
    found["components"]["schemas"] |= problem["$defs"]
    of_every_change = problem_responses(*OF_EVERY_CHANGE)
    for path in found["paths"].values():
        for method, operation in path.items():
            responses = operation["responses"]
            if method == "post":
                responses |= {str(status): told for status, told in of_every_change.items()}
            for target, link in LINKS.get(operation["operationId"], {}).items():
                done = responses.get("201") or responses["200"]
                done.setdefault("links", {})[target] = {"operationId": target, **link}
    return found
