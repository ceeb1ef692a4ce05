"""The keeper as a process: `python -m operations.keeper`, the stack's `connector-keeper`."""

import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict

import psycopg
import structlog

from operations.keeper import delivery
from operations.keeper.billing import Billing
from operations.keeper.connectors import Keeper
from operations.keeper.watch import Watch
from operations.reconcile.positions import KafkaPositions
from operations.settings import load_settings
from stream_processors.engine.health import serve_health
from stream_processors.engine.logs import set_up_logs
from stream_processors.settings import LoggingSettings, read_settings

_KAFKA_SECONDS = 2.0

_BEGAN_AT = time.time()

_log = structlog.get_logger(__name__)


class KeeperSettings(LoggingSettings):
    """Settings of this process; the addresses are those of every verb."""

    health_port: int
    """Where it says, on loopback, whether it does its work."""


def health(keeper: Keeper, watches: Sequence[Watch]) -> dict[str, object]:
    """Return what is wrong, by name, whether nothing is, and how often which connector was started.

    The connectors' faults come last: where both are there, theirs is the command that mends.
    Times are in seconds since 1970.
    """
    faults = {name: text for watch in watches for name, text in watch.faults().items()}
    faults.update(keeper.faults)
    # From another thread, which may just be starting one.
    restarts = {name: asdict(told) for name, told in dict(keeper.restarts).items()}
    return {"ready": not faults, "faults": faults, "began_at": _BEGAN_AT, "restarts": restarts}


def _connect() -> psycopg.Connection:
    return delivery.connect(load_settings().need("database_url"))


def _positions() -> KafkaPositions:
    return KafkaPositions(load_settings().need("kafka_bootstrap_servers"), _KAFKA_SECONDS)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = read_settings(KeeperSettings)
    set_up_logs(settings.log_level)
    stopping = threading.Event()
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: stopping.set())
    keeper = Keeper(stopping)
    watches = (
        Watch("postgres", delivery.Delivery(_connect).look),
        Watch("kafka", Billing(_positions).look),
    )
    _log.info("keeper_starts")
    for watch in watches:
        watch.start(stopping)
    # Before it has looked it knows nothing: nobody is to take that for health.
    keeper.look()
    serve_health(settings.health_port, lambda: health(keeper, watches))
    keeper.run()


if __name__ == "__main__":
    main()
