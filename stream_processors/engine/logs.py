"""Logs: one event a line, with fields; JSON off a terminal.

Everything that a process says goes this way: what its libraries log, librdkafka's lines, warnings,
and the traceback of an error that nobody caught.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING

import structlog

from stream_processors.engine.repetition import RepetitionFilter

if TYPE_CHECKING:
    from types import TracebackType

KAFKA_LOG = logging.getLogger("librdkafka")
"""For every Kafka client of a process: without it librdkafka writes lines of its own form."""

# At DEBUG they write a line for each fetch and each step of their own.
_TALKATIVE = {
    "aiokafka": logging.INFO,
    "asyncio": logging.INFO,
    "faust": logging.INFO,
    "httpcore": logging.INFO,
    "mode": logging.INFO,
    "urllib3": logging.INFO,
    # Each request would be a line.
    "httpx": logging.WARNING,
}

_FIRST = ("timestamp", "level", "event")

_log = structlog.get_logger(__name__)


def set_up_logs(level: str) -> None:
    """Send structlog's and the libraries' logs to standard error, at `level` and above.

    level: DEBUG, INFO, WARNING, ERROR or CRITICAL; DEBUG is for lines of ours alone.
    """
    number = logging.getLevelNamesMapping()[level]
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A line that is not written costs a call that does nothing.
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_handler(shared)]
    root.setLevel(number)
    for library, least in _TALKATIVE.items():
        logging.getLogger(library).setLevel(max(number, least))
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_of_thread


def _handler(shared: list[structlog.typing.Processor]) -> logging.Handler:
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RepetitionFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow={"repeated"})],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _begin_with_what_every_line_has,
                renderer,
            ],
        )
    )
    return handler


def _begin_with_what_every_line_has(
    _: object, __: str, fields: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Put when, how grave and what first, so that lines below each other can be read."""
    return {name: fields.pop(name) for name in _FIRST if name in fields} | dict(fields)


def _log_uncaught(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical("uncaught_error", error=str(error), exc_info=error)


def _log_uncaught_of_thread(uncaught: threading.ExceptHookArgs) -> None:
    name = None if uncaught.thread is None else uncaught.thread.name
    _log.critical(
        "uncaught_error", thread=name, error=str(uncaught.exc_value), exc_info=uncaught.exc_value
    )
