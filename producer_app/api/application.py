"""The API put together: its routes, its errors, and what it says about itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, Path, Request
from pydantic import BaseModel, WithJsonSchema
from sqlalchemy import Engine, text

from producer_app.api import openapi, routes
from producer_app.api.body_limit import BodyLimit
from producer_app.api.execution import Database
from producer_app.api.problem_kinds import NOT_FOUND, PROBLEM_KINDS
from producer_app.api.problems import ProblemError, install_handlers

DESCRIPTION = (
    "The mentoring application: contracts, sessions, users. Each change is one transaction with "
    "its events in the outbox. Times are of the application's clock."
)

about = APIRouter(tags=["about"])


class Health(BaseModel):
    """Whether requests can be carried out; where they can't, the answer is a problem."""

    ready: Literal[True] = True


class KindOfProblem(BaseModel):
    """What the `type` of a problem means."""

    type: str
    title: str
    status: int
    description: str


@about.get("/health", responses=openapi.problem_responses())
def get_health(request: Request) -> Health:
    """Ask the database, as every request does."""
    database: Database = request.app.state.database
    with database.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return Health()


@about.get("/problems/{name}", responses=openapi.problem_responses(404))
def get_kind_of_problem(
    name: Annotated[str, WithJsonSchema({"type": "string", "enum": list(PROBLEM_KINDS)}), Path()],
) -> KindOfProblem:
    """Describe a kind of problem."""
    kind = PROBLEM_KINDS.get(name)
    if kind is None:
        known = ", ".join(PROBLEM_KINDS)
        raise ProblemError(NOT_FOUND, f"No kind of problem has this name. There are {known}.")
    return KindOfProblem(
        type=kind.type, title=kind.title, status=kind.status, description=kind.description
    )


def create_application(engine: Engine, answers_kept: timedelta) -> FastAPI:
    """Return the API over an engine, which it disposes of when it stops.

    `answers_kept` is how long the answer to a request with an Idempotency-Key is kept. The
    application's tables must be there (`producer_app.database.create_tables`).
    """

    @asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()

    application = FastAPI(
        title="Mentoring",
        version="1",
        description=DESCRIPTION,
        lifespan=closing,
        # The pages for reading it load scripts from elsewhere; the document itself is enough.
        docs_url=None,
        redoc_url=None,
        # A redirect would be an answer without a problem document.
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    application.state.database = Database(engine, answers_kept)
    application.add_middleware(BodyLimit)
    install_handlers(application)
    for router in (routes.router, about):
        application.include_router(router)
    openapi.describe(application)
    return application
