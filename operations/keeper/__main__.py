"""The keeper as a process: `python -m operations.keeper`, the stack's `connector-keeper`."""

import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict

import psycopg
import structlog
from prometheus_client.metrics_core import Metric

from operations.keeper import delivery
from operations.keeper.billing import Billing
from operations.keeper.books import Books
from operations.keeper.connectors import Keeper
from operations.keeper.gauges import books_gauges, fault_gauges, pending_gauges
from operations.keeper.watch import Watch
from operations.reconcile.positions import KafkaPositions
from operations.settings import load_settings
from stream_processors.engine.health import Pages, serve_pages
from stream_processors.engine.logs import set_up_logs
from stream_processors.settings import PagesSettings, read_settings

_NAME = "connector-keeper"
_KAFKA_SECONDS = 2.0
# Starting a connector takes its time; who has not come back by then does not.
_LOOK_SECONDS_MAX = 300.0

_BEGAN_AT = time.time()

_log = structlog.get_logger(__name__)


def health(keeper: Keeper, watches: Sequence[Watch]) -> dict[str, object]:
    """Return what is wrong, by name, whether nothing is, and how often which connector was started.

    Times are in seconds since 1970.
    """
    faults = _faults(keeper, watches)
    live = time.monotonic() - keeper.looked_at < _LOOK_SECONDS_MAX
    # From another thread, which may just be starting one.
    restarts = {name: asdict(told) for name, told in dict(keeper.restarts).items()}
    return {
        "ready": not faults,
        "live": live,
        "faults": faults,
        "began_at": _BEGAN_AT,
        "restarts": restarts,
    }


def _faults(keeper: Keeper, watches: Sequence[Watch]) -> dict[str, str]:
    """Return what is wrong, by name.

    The connectors' faults come last: where both are there, theirs is the command that mends.
    """
    faults = {name: text for watch in watches for name, text in watch.faults().items()}
    faults.update(keeper.faults)
    return faults


def _connect() -> psycopg.Connection:
    return delivery.connect(load_settings().need("database_url"))


def _positions() -> KafkaPositions:
    return KafkaPositions(load_settings().brokers(), _KAFKA_SECONDS)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = read_settings(PagesSettings)
    set_up_logs(settings.log_level)
    stopping = threading.Event()
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: stopping.set())
    keeper = Keeper(stopping)
    events, books = delivery.Delivery(_connect), Books(_connect)
    watches = (
        Watch("postgres", events.look),
        Watch("postgres", books.look),
        Watch("kafka", Billing(_positions).look),
    )

    def gauges() -> list[Metric]:
        return [
            *pending_gauges(events, watches[0]),
            *books_gauges(books, watches[1]),
            *fault_gauges(keeper.running, _faults(keeper, watches)),
        ]

    _log.info("keeper_starts")
    for watch in watches:
        watch.start(stopping)
    # Before it has looked it knows nothing: nobody is to take that for health.
    keeper.look()
    serve_pages(settings.health_address, Pages(_NAME, lambda: health(keeper, watches), gauges))
    keeper.run()


if __name__ == "__main__":
    main()
