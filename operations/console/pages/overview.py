"""How the whole pipeline is."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.local.programs import CONNECTOR_KEEPER
from operations.console.chart import chart
from operations.console.observing import Look
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
        pending=_total(last, "outbox_pending_events"),
        chart=None if figures is None else chart(figures.minutes),
        processes=last.processes,
        looked_at=datetime.now(UTC),
    )


def _total(last: Look, metric: str) -> float | None:
    """Return what the keeper counts; None while it does not answer."""
    samples = last.samples.get(CONNECTOR_KEEPER)
    return None if samples is None else samples.total(metric)


ROUTES = (Route("/", page),)
