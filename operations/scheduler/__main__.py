"""The scheduler as a process: `python -m operations.scheduler`.

It only watches and tidies up; nothing is billed by it, and nothing waits for it. A second one
beside it does no harm.
"""

import signal
import threading
from collections.abc import Sequence

import structlog

from operations.scheduler.gauges import task_gauges
from operations.scheduler.settings import SchedulerSettings
from operations.scheduler.tasks import daily, reconciling, reconciling_day
from operations.scheduler.timetable import Task, Timetable
from stream_processors.engine.health import Pages, serve_pages
from stream_processors.engine.logs import set_up_logs
from stream_processors.settings import read_settings

_NAME = "scheduler"

_log = structlog.get_logger(__name__)


def work(timetable: Timetable, tasks: Sequence[Task], stopping: threading.Event) -> None:
    """Carry out tasks, one after the other, each when it is due, until `stopping` is set."""
    while not stopping.wait(timetable.seconds_until_due(tasks)):
        for task in tasks:
            if timetable.is_due(task):
                timetable.carry_out(task)


def main() -> None:
    """Run until SIGTERM or SIGINT; whatever is under way is broken off, and may be."""
    settings = read_settings(SchedulerSettings)
    set_up_logs(settings.log_level)
    stopping = threading.Event()
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: stopping.set())
    # What reads a day or more takes long: the minute does not wait for it.
    lines = ([reconciling(settings)], [reconciling_day(settings), *daily(settings)])
    timetable = Timetable(
        [task for line in lines for task in line],
        settings.state_directory,
        settings.scheduler_fault_seconds,
    )
    workers = [
        threading.Thread(target=work, args=(timetable, line, stopping), daemon=True)
        for line in lines
    ]
    for worker in workers:
        worker.start()

    def health() -> dict[str, object]:
        return {**timetable.health(), "live": all(worker.is_alive() for worker in workers)}

    pages = Pages(_NAME, health, lambda: task_gauges(timetable.standings()))
    serve_pages(settings.health_address, pages)
    _log.info("scheduler_starts")
    stopping.wait()


if __name__ == "__main__":
    main()
