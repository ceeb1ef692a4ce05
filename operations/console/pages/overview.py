"""How the whole pipeline is."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from operations.console.chart import chart
from operations.console.pipeline import pipeline
from operations.console.rendering import render


def page(request: Request) -> Response:
    """Show the last look."""
    last, before = request.app.state.observer.looks()
    figures = last.figures
    return render(
        request,
        "overview.html",
        pipeline=pipeline(last, before),
        figures=figures,
        chart=None if figures is None else chart(figures.minutes),
        processes=last.processes,
        looked_at=datetime.now(UTC),
    )


ROUTES = (Route("/", page),)
