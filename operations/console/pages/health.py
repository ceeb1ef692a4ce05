"""For programs that watch the console itself."""

from http import HTTPStatus

import psycopg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.programs import CONSOLE
from operations.failures import UnreachableError
from stream_processors.engine.metrics import CONTENT_TYPE, Exposition


def health(request: Request) -> Response:
    """Answer 200 where the pages can be read, 503 where the database does not answer."""
    try:
        with request.app.state.services.reading() as connection:
            connection.execute("SELECT 1")
    except (psycopg.Error, UnreachableError) as error:
        fault = " ".join(str(error).split())
        return JSONResponse({"ready": False, "database_reachable": False, "error": fault}, 503)
    return JSONResponse({"ready": True, "database_reachable": True})


async def live(_: Request) -> Response:
    """Answer: that is all that is asked."""
    return JSONResponse({"live": True})


def metrics(request: Request) -> Response:
    """Answer with what Prometheus reads."""
    exposition = Exposition(CONSOLE, lambda: health(request).status_code == HTTPStatus.OK)
    return Response(exposition.render(), media_type=CONTENT_TYPE)


ROUTES = (Route("/health", health), Route("/live", live), Route("/metrics", metrics))
