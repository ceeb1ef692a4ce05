"""All that a process says is one JSON object a line: tried with a process of its own."""

import json
import subprocess
import sys
from typing import Any

SAYS_ALL = """
import logging, threading, warnings
from confluent_kafka import Producer
import structlog
from stream_processors.engine.logs import KAFKA_LOG, set_up_logs

set_up_logs("{level}")
log = structlog.get_logger("ours")
log.debug("debugged", number=1)
log.info("said", number=1)
logging.getLogger("library").warning("a library says %s", "something")
logging.getLogger("httpx").info("a request")
logging.getLogger("aiokafka").debug("a fetch")
warnings.warn("deprecated")
Producer({{"bootstrap.servers": "127.0.0.1:9"}}, logger=KAFKA_LOG).poll(1)
thread = threading.Thread(target=lambda: 1 / 0, name="a-thread")
thread.start()
thread.join()
raise ValueError("the\\nend")
"""


def _lines(level: str) -> list[dict[str, Any]]:
    ended = subprocess.run(
        [sys.executable, "-c", SAYS_ALL.format(level=level)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_every_line_is_json_whoever_wrote_it() -> None:
    lines = _lines("INFO")

    assert [
        (line["level"], line["logger"]) for line in lines if line["logger"] != "librdkafka"
    ] == [
        ("info", "ours"),
        ("warning", "library"),
        ("warning", "py.warnings"),
        ("critical", "stream_processors.engine.logs"),
        ("critical", "stream_processors.engine.logs"),
    ]
    for line in lines:
        assert list(line)[:3] == ["timestamp", "level", "event"]


def test_an_error_that_nobody_caught_is_a_line_with_its_traceback() -> None:
    of_a_thread, of_the_process = _lines("ERROR")[-2:]

    assert of_a_thread["event"] == of_the_process["event"] == "uncaught_error"
    assert of_a_thread["thread"] == "a-thread"
    assert "ZeroDivisionError" in of_a_thread["exception"]
    assert of_the_process["error"] == "the\nend"
    assert "ValueError: the\nend" in of_the_process["exception"]


def test_at_debug_ours_are_written_and_the_libraries_chatter_is_not() -> None:
    written = {(line["logger"], line["level"]) for line in _lines("DEBUG")}

    assert ("ours", "debug") in written
    assert ("aiokafka", "debug") not in written
    assert "httpx" not in {logger for logger, _ in written}
