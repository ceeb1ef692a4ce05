"""What a fault reads in a worker's log."""

import json
from pathlib import Path
from threading import Timer

from tests.faults.kinds.worker import _speed

STARTS = {"event": "worker_starts", "timestamp": "2026-11-23T12:00:00Z"}
RECOVERED = {
    "event": "state_recovered",
    "table": "session_facts",
    "partition": 0,
    "position": 300,
    "timestamp": "2026-11-23T12:00:02Z",
}


def test_the_speed_of_a_recovery_is_told_although_the_log_comes_after_the_health(
    tmp_path: Path,
) -> None:
    log = tmp_path / "worker-1.log"
    log.write_text(json.dumps(STARTS) + "\n")
    end = json.dumps(RECOVERED) + "\n"

    def add(text: str) -> None:
        with log.open("a") as file:
            file.write(text)

    later = [Timer(0.15, add, [end[:40]]), Timer(0.4, add, [end[40:]])]
    for timer in later:
        timer.start()
    assert _speed(log, 0) == "300 rows back 2.0 s after its start, 150 rows/s"
