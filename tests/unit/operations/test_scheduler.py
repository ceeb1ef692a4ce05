"""The timetable: what is due when, what became of it, and what makes the scheduler unhealthy."""

from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from operations.maintain.report import KeptDay, Maintenance
from operations.reconcile.comparison import OutcomeCount
from operations.reconcile.report import Reconciliation, reconciliation
from operations.scheduler.__main__ import work
from operations.scheduler.tasks import addresses, outcome_of, outcome_of_maintenance
from operations.scheduler.timetable import Outcome, Task, Turn, read_runs
from tests.unit.timetables import ALARMING, FINE, FOR_A_PERSON, World, after


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


def test_it_begins_a_moment_after_the_start_and_then_keeps_its_pace(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    assert (after(timetable, task), timetable.is_due(task)) == (15, False)
    world.clock.seconds += 15
    assert timetable.is_due(task)
    timetable.carry_out(task)
    assert (after(timetable, task), world.runs) == (60, 1)


def test_a_run_that_failed_is_repeated_sooner_and_tells_why(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    world.outcome = OSError("no database")
    timetable.carry_out(task)
    assert after(timetable, task) == 10
    health = timetable.health()
    assert health["ready"] is True
    assert health["notices"] == {"reconcile": "the last run failed: no database"}


def test_it_is_unhealthy_once_no_run_succeeded_for_too_long_until_one_does(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    timetable.carry_out(task)
    world.outcome = OSError("no database")
    world.clock.seconds += 300
    timetable.carry_out(task)
    assert timetable.health()["ready"] is True
    world.clock.seconds += 1
    health = timetable.health()
    assert health["ready"] is False
    assert health["faults"] == {"reconcile": "reconcile has not succeeded for 300 s: no database"}

    world.outcome = FINE
    timetable.carry_out(task)
    assert (timetable.health()["ready"], timetable.health()["notices"]) == (True, {})


def test_a_run_that_hangs_is_noticed_too(world: World) -> None:
    timetable = world.timetable(world.task())
    world.clock.seconds += 301
    assert "still under way" in str(timetable.health()["faults"])


def test_what_lasts_and_is_the_systems_own_fault_makes_it_unhealthy(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    world.outcome = ALARMING
    timetable.carry_out(task)
    assert timetable.health()["notices"] == {"reconcile": "1 missing"}
    world.clock.seconds += 119
    timetable.carry_out(task)
    assert timetable.health()["ready"] is True
    world.clock.seconds += 1
    health = timetable.health()
    assert (health["ready"], health["notices"]) == (False, {})
    assert health["faults"] == {"reconcile": "1 missing (for 120 s)"}


def test_what_passes_between_two_alarms_begins_anew(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    for outcome in (ALARMING, FINE, ALARMING):
        world.outcome = outcome
        timetable.carry_out(task)
        world.clock.seconds += 100
    assert timetable.health()["ready"] is True


def test_what_waits_for_a_person_is_told_and_never_makes_it_unhealthy(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    world.outcome = FOR_A_PERSON
    for _ in range(100):
        timetable.carry_out(task)
        world.clock.seconds += 60
    health = timetable.health()
    assert (health["ready"], health["notices"]) == (True, {"reconcile": "1 failed"})


def test_a_restart_does_not_repeat_what_was_done_lately(world: World) -> None:
    task = world.task(every_seconds=86_400.0)
    world.timetable(task).carry_out(task)
    world.clock.seconds += 1_000
    assert after(world.timetable(task), task) == 85_400
    world.clock.seconds += 86_400
    assert after(world.timetable(task), task) == 15


def test_what_is_alarming_is_looked_at_again_before_its_day_is_over(world: World) -> None:
    task = world.task(every_seconds=86_400.0)
    timetable = world.timetable(task)
    world.outcome = ALARMING
    timetable.carry_out(task)
    assert after(timetable, task) == 10
    world.outcome = FINE
    timetable.carry_out(task)
    assert after(timetable, task) == 86_400


def test_a_restart_looks_again_at_what_was_alarming(world: World) -> None:
    task = world.task(every_seconds=86_400.0)
    world.outcome = ALARMING
    world.timetable(task).carry_out(task)
    assert after(world.timetable(task), task) == 15


def test_a_restart_repeats_a_run_that_had_failed(world: World) -> None:
    task = world.task(every_seconds=86_400.0)
    timetable = world.timetable(task)
    timetable.carry_out(task)
    world.outcome = OSError("no database")
    timetable.carry_out(task)
    assert after(world.timetable(task), task) == 15


def test_a_task_that_never_succeeds_is_noticed_however_often_the_process_starts(
    world: World,
) -> None:
    task = world.task(limit_seconds=36 * 3600.0)
    world.timetable(task).carry_out(task)
    world.outcome = RuntimeError("out of memory")
    for _ in range(36):
        timetable = world.timetable(task)
        timetable.carry_out(task)
        world.clock.pass_by(3600)
    timetable = world.timetable(task)
    assert timetable.health()["ready"] is True, "the first run after a start has an hour"
    world.clock.pass_by(3601)
    timetable.carry_out(task)
    health = timetable.health()
    assert health["ready"] is False
    assert "has not succeeded for 129600 s: out of memory" in str(health["faults"])


@pytest.mark.parametrize("jump_seconds", [-3_600.0, 3_600.0])
def test_a_clock_that_was_set_makes_no_task_rest_longer_than_it_ever_does(
    world: World, jump_seconds: float
) -> None:
    task = world.task()
    world.timetable(task).carry_out(task)
    world.clock.wall_ahead += jump_seconds
    assert after(world.timetable(task), task) <= 60


def test_the_last_runs_can_be_read_when_it_is_gone(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    world.outcome = ALARMING
    timetable.carry_out(task)
    run = read_runs(world.directory)["reconcile"]
    assert run.outcome == ALARMING
    assert run.succeeded_at == world.clock.wall()


@pytest.mark.parametrize("text", ["", "[]", '{"reconcile": {"old": 1}}', '{"reconcile": null}'])
def test_a_file_of_another_version_is_as_good_as_none(world: World, text: str) -> None:
    world.directory.mkdir()
    (world.directory / "runs.json").write_text(text)
    assert read_runs(world.directory) == {}
    assert after(world.timetable(world.task()), world.task()) == 15


def test_a_state_that_cannot_be_written_is_a_failed_run(world: World) -> None:
    task = world.task()
    timetable = world.timetable(task)
    world.directory.write_text("a file where the folder should be")
    timetable.carry_out(task)
    assert "the last run failed" in str(timetable.health()["notices"])


TODAY = datetime(2026, 3, 1, tzinfo=UTC)


def found(*outcomes: tuple[str, str], **more: Any) -> Reconciliation:
    return reconciliation(
        [OutcomeCount(section, outcome, "", TODAY, 1, []) for section, outcome in outcomes], **more
    )


def test_a_clean_verdict_needs_nobody() -> None:
    outcome = outcome_of(found(("bill", "billed")), None)
    assert (outcome.verdict, outcome.fine, outcome.alarming) == ("clean", True, False)


@pytest.mark.parametrize("fault", ["overdue", "consumed_without_completed", "package_stuck"])
def test_what_an_application_never_wrote_is_alarming_too(fault: str) -> None:
    outcome = outcome_of(found(("offender", fault)), None)
    assert (outcome.fine, outcome.alarming) == (False, True)
    assert fault.split("_", maxsplit=1)[0] in outcome.summary


@pytest.mark.parametrize("fault", ["missing", "undelivered", "duplicate", "mismatched"])
def test_bills_that_are_missing_or_wrong_are_alarming_and_the_command_is_named(fault: str) -> None:
    since = datetime(2026, 11, 1, tzinfo=UTC)
    outcome = outcome_of(found(("offender", fault)), since)
    assert (outcome.fine, outcome.alarming) == (False, True)
    assert f"1 {fault}" in outcome.summary
    assert "`outbox reconcile --since 2026-11-01T00:00:00+00:00`" in outcome.summary


def test_a_failed_bill_waits_for_a_person_and_is_not_alarming() -> None:
    outcome = outcome_of(found(("offender", "failed")), None)
    assert (outcome.verdict, outcome.fine, outcome.alarming) == ("discrepancy", False, False)
    assert "1 failed. `outbox reconcile` shows which" in outcome.summary


@pytest.mark.parametrize("besides", [[], [("offender", "failed")]])
def test_a_stage_that_stands_still_is_alarming_whatever_waits_for_a_person(
    besides: list[tuple[str, str]],
) -> None:
    outcome = outcome_of(
        found(*besides, warnings=["The writer has not moved"], stands_still=True), None
    )
    assert outcome.alarming
    assert "The writer has not moved" in outcome.summary


def test_every_task_is_carried_out_by_the_loop(world: World) -> None:
    stopping = Event()

    def run(_: Turn) -> Outcome:
        world.runs += 1
        if world.runs == 3:
            stopping.set()
        return FINE

    task = Task("reconcile", run, 0.0, 300.0, 0.0, 0.0, 1.0)
    work(world.timetable(task), [task], stopping)
    assert world.runs == 3


def test_a_day_that_had_to_be_kept_is_told_with_the_reason() -> None:
    done = Maintenance(kept=[KeptDay(date(2026, 1, 1), "undelivered", 2)])
    outcome = outcome_of_maintenance(done)
    assert (outcome.fine, outcome.alarming) == (False, False)
    assert "2026-01-01 is kept (undelivered, 2 events)" in outcome.summary
    assert outcome_of_maintenance(Maintenance(partitions_made=3)).fine


def test_a_ledger_that_could_not_be_sealed_is_told_with_the_reason() -> None:
    outcome = outcome_of_maintenance(Maintenance(faults=["A posting has not ended for 60 s."]))
    assert (outcome.verdict, outcome.fine) == ("not sealed", False)
    assert "A posting has not ended for 60 s." in outcome.summary


def test_a_link_to_the_database_that_goes_nowhere_holds_no_task_up_for_hours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OUTBOX_DATABASE_URL", "postgresql://owner:a%40b@127.0.0.1:1/outbox")
    told = conninfo_to_dict(addresses().need("database_url"))
    assert (told["user"], told["password"], told["dbname"]) == ("owner", "a@b", "outbox")
    assert told["tcp_user_timeout"] == "20000"
    assert told["keepalives_idle"] == "10"
