"""The way out for anything unexpected: end the process at once, before anything is acknowledged.

Faust acknowledges the events of an agent that raised. So nothing may be raised: the supervisor
starts the process again, and Kafka hands out the same records.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

import structlog
from confluent_kafka import KafkaException

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h

_log = structlog.get_logger(__name__)


def end_process(doing: str, error: BaseException) -> NoReturn:
    """Log why, if that can be done, and end this process without running any of its clean-up."""
    try:
        _log.critical("process_ends", doing=doing, error=str(error), exc_info=error)
        logging.shutdown()
    finally:
        # Whatever logging raises must not reach Faust in place of the end.
        os._exit(EXIT_CODE)


def error_in_hand() -> BaseException:
    """Return what a bare `except` has caught.

    A KafkaError that comes out of one of librdkafka's callbacks needs one: it is raised, and is no
    exception, so that `except Exception` and `except BaseException` let it pass.
    """
    error: object = sys.exc_info()[1]
    return error if isinstance(error, BaseException) else KafkaException(error)
