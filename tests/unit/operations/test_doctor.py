"""What the doctor makes of processes, of versions, and of checks that fail themselves."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.local.layout import Layout
from infra.local.status import ProcessStatus
from operations.doctor import processes, versions
from operations.doctor.command import doctor
from operations.doctor.examination import guarded
from operations.doctor.finding import Finding, Level, age
from operations.scheduler.timetable import Outcome, Task, Timetable

WELL = ProcessStatus(
    name="worker-1",
    pid=1,
    state="running",
    healthy=True,
    address="http://127.0.0.1:1",
    health_url=None,
    metrics_url=None,
    log="/logs/worker-1.log",
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, 30500)


def line(layout: Layout, status: ProcessStatus) -> Finding:
    (finding,) = processes.processes(layout, [WELL, status])
    return finding


def test_processes_that_are_all_well_are_one_line(layout: Layout) -> None:
    assert line(layout, WELL).finding == "2 run and are healthy"


def test_a_process_that_is_stopped_is_started_by_up(layout: Layout) -> None:
    stopped = replace(WELL, pid=None, state="stopped", healthy=False)
    finding = line(layout, stopped)
    assert (finding.level, finding.finding) == (Level.FAULT, "worker-1 is stopped")
    assert finding.remedy == "`outbox up`"


def test_a_process_that_ends_itself_again_and_again_is_mended_as_its_log_says(
    layout: Layout,
) -> None:
    layout.logs.mkdir()
    text = "position lost: see `outbox status`\nRun `outbox rebuild --replace`: it mends that.\n"
    layout.log("worker-1").write_text(text)
    finding = line(layout, replace(WELL, pid=None, state="backoff", healthy=False))
    assert finding.finding == "worker-1 is backoff, and not healthy"
    assert str(finding.remedy).startswith("`outbox rebuild --replace`; its log: ")


def test_what_a_process_complains_of_is_told_with_the_command_it_names(layout: Layout) -> None:
    keeper = replace(
        WELL,
        name="connector-keeper",
        healthy=False,
        complaints=("The slot is gone.\n Run `outbox connectors recover`.",),
    )
    finding = line(layout, keeper)
    assert finding.finding.startswith("connector-keeper is not healthy: The slot is gone. Run ")
    assert finding.remedy == "`outbox connectors recover`"


def test_a_process_without_a_supervisor_is_a_fault(layout: Layout) -> None:
    finding = line(layout, replace(WELL, state="unsupervised"))
    assert "what dies stays dead" in finding.finding
    assert finding.remedy == "`outbox down`, then `outbox up`"


SCHEDULER = replace(WELL, name="scheduler")


def test_the_scheduler_tells_when_each_task_last_succeeded(layout: Layout) -> None:
    task = Task("reconcile", lambda _: Outcome("clean", "", fine=True), 60, 300, 0, 60, 1)
    Timetable([task], layout.state / "scheduler", 120).carry_out(task)
    (finding,) = processes.scheduler(layout, [WELL, SCHEDULER])
    assert finding.level is Level.OK
    assert finding.finding == "reconcile 0 s ago: clean"
    gone = replace(SCHEDULER, pid=None, state="stopped", healthy=False)
    (finding,) = processes.scheduler(layout, [gone])
    assert finding.level is Level.FAULT
    assert finding.finding == "it does not run; reconcile 0 s ago: clean"


@pytest.mark.parametrize(("healthy", "level"), [(True, Level.WARNING), (False, Level.FAULT)])
def test_what_the_scheduler_found_is_a_fault_once_it_lasts(
    layout: Layout, healthy: bool, level: Level
) -> None:
    said = "discrepancy: 1 missing. `outbox reconcile --since T` shows which"
    status = replace(SCHEDULER, healthy=healthy, complaints=(said,))
    (finding,) = processes.scheduler(layout, [status])
    assert (finding.level, finding.finding) == (level, said)
    assert finding.remedy == "`outbox reconcile --since T`"
    # Not a second time, as a process that is ill.
    assert line(layout, status).level is Level.OK


def test_libraries_other_than_the_locked_ones_are_a_warning(tmp_path: Path) -> None:
    assert [finding.level for finding in versions.clients()] == [Level.OK]
    (tmp_path / "requirements.lock").write_text("psycopg==0.1 \\\nfastavro==0.2 ; os == 'x'\n")
    (finding,) = versions.clients(tmp_path)
    assert finding.level is Level.WARNING
    assert "psycopg is 3." in finding.finding
    assert "not 0.1" in finding.finding
    assert finding.remedy == "`make install`"


def test_a_broker_that_cannot_be_looked_at_is_no_line() -> None:
    assert list(versions.broker(None)) == []


def test_a_check_that_fails_itself_is_a_fault_and_no_silence() -> None:
    def fail(reason: str) -> list[Finding]:
        raise ValueError(reason)

    (finding,) = guarded("slot", fail, "a\n riddle")
    assert finding.level is Level.FAULT
    assert finding.finding == "could not be looked at: ValueError: a riddle"


def test_with_nothing_to_look_at_the_exit_code_says_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "CONNECT_URL", "KAFKA_BOOTSTRAP_SERVERS", "PORT_BASE"):
        monkeypatch.delenv(f"OUTBOX_{name}", raising=False)
    monkeypatch.setenv("OUTBOX_HOME", str(tmp_path))
    result = CliRunner().invoke(doctor, ["--output", "json"])
    assert result.exit_code == 3
    assert "OUTBOX_DATABASE_URL" in result.stdout
    assert "`outbox up`" in result.stdout


@pytest.mark.parametrize(
    ("seconds", "words"), [(45, "45 s"), (600, "10 min"), (7_200, "2 h"), (400_000, "5 days")]
)
def test_a_time_span_is_said_as_a_person_says_it(seconds: float, words: str) -> None:
    assert age(seconds) == words
