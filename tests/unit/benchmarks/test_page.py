"""What the benchmark's page says."""

from benchmarks.side_by_side.page import page
from tests.unit.benchmarks.measured_runs import quantiles, run, stages

PIPELINE, POLLING, NOTIFY = "this pipeline", "polling, every 30 s", "outbox woken by NOTIFY"


def rows(text: str, title: str) -> list[list[str]]:
    """The cells of the table under a title, without its header."""
    section = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def test_each_work_has_a_table_with_one_row_for_each_system() -> None:
    text = page({"runs": [run(NOTIFY), run(PIPELINE), run(PIPELINE, "mix, 500/s")]})
    assert [row[0] for row in rows(text, "1000 at once")] == [NOTIFY, PIPELINE]
    assert [row[0] for row in rows(text, "Mix, 500/s")] == [PIPELINE]


def test_a_row_sums_the_processor_time_and_the_memory_of_all_processes() -> None:
    [row] = rows(page({"runs": [run(NOTIFY, ms=1_234.5)]}), "1000 at once")
    assert row[1:] == [*["1,234"] * 5, "500", "1.75", "140", "2,048", "0"]


def test_unbilled_bills_stand_out() -> None:
    [row] = rows(page({"runs": [run(NOTIFY, unbilled=1_200)]}), "1000 at once")
    assert row[-1] == "**1,200**"


def test_a_run_that_billed_nothing_shows_no_latency_at_all() -> None:
    [row] = rows(page({"runs": [run(NOTIFY, latency=quantiles(ms=0.0, count=0))]}), "1000 at once")
    assert row[1:6] == ["-"] * 5


def test_ratios_are_above_one_where_this_pipeline_is_better_and_below_where_it_is_not() -> None:
    runs = [
        run(POLLING, ms=15_000.0, events_per_second=50.0),
        run(NOTIFY, ms=10.0, events_per_second=1_000.0),
        run(PIPELINE, ms=20.0),
    ]
    assert rows(page({"runs": runs}), "How many times quicker") == [
        ["1000 at once", POLLING, "750", "750", "750", "10"],
        ["1000 at once", NOTIFY, "0.5", "0.5", "0.5", "0.5"],
    ]


def test_a_work_that_a_baseline_or_this_pipeline_did_not_do_has_no_ratio() -> None:
    text = page({"runs": [run(NOTIFY), run(PIPELINE, "backlog")]})
    assert "How many times quicker" not in text


def test_the_stages_stand_beside_the_whole_way() -> None:
    text = page({"runs": [run(NOTIFY), run(PIPELINE, stages=stages(ms=10.0), ms=30.0)]})
    assert rows(text, "Where the time goes") == [["1000 at once", *["10"] * 6, "30", "30"]]


def test_a_repeated_run_says_what_each_time_gave_and_a_single_one_nothing() -> None:
    times = [
        {"p99_ms": 250.0, "cpu_seconds": 0.7, "fsync_max_ms": 1.5},
        {"p99_ms": 1_310.0, "cpu_seconds": 1.25, "fsync_max_ms": 340.0},
    ]
    text = page({"runs": [run(POLLING, repetitions=times[:1]), run(PIPELINE, repetitions=times)]})
    assert f"- {PIPELINE}: 250 (0.70, 1.5), 1,310 (1.25, 340)\n" in text
    assert f"- {POLLING}" not in text


def test_the_processes_stand_by_what_they_took_without_those_that_took_nothing() -> None:
    cpu_seconds = {"connect": 0.0004, "postgres": 0.25, "worker": 0.5}
    text = page({"runs": [run(PIPELINE, cpu_seconds=cpu_seconds)]})
    assert rows(text, "Where the processor time goes") == [
        ["1000 at once", PIPELINE, "worker 0.5, postgres 0.25", "postgres 100, publisher 40"]
    ]


def test_every_other_section_has_its_table() -> None:
    text = page(
        {
            "insert_cost": {"event": quantiles(ms=1.5)},
            "floors": {"fsync": quantiles(ms=0.4)},
            "startup": {"outbox up": 21.5},
            "scale": [{"workers": 1, "events_per_second": 3_000.0}, {"workers": 2, "note": "x"}],
            "knee": [{"ordered per second": 1_250, "sustained": "no"}],
            "parts": [{"workers": 1, "connector": 15_000.4}],
            "state": [{"": "median", "full to empty": 0.987}],
            "state_steady": [{"": "full", "p99 ms": 41.84}],
            "storage": {"Kafka": 218},
        }
    )
    assert rows(text, "What the outbox costs the application") == [["event", *["1.5"] * 5]]
    assert rows(text, "What nothing on this machine can beat") == [["fsync", *["0.4"] * 5]]
    assert rows(text, "Starting") == [["outbox up", "21.5"]]
    assert rows(text, "How many events a second") == [["1,250", "no"]]
    assert rows(text, "With more sessions known") == [["median", "0.987"]]
    assert rows(text, "With more sessions known, at a steady rate") == [["full", "41.8"]]
    assert rows(text, "What each part does alone") == [["1", "15,000"]]
    assert rows(text, "What a session takes on disk") == [["Kafka", "218"]]
    assert rows(text, "With more workers") == [["1", "3,000", "-"], ["2", "-", "x"]]


def test_the_head_names_command_date_and_machine() -> None:
    text = page({"command": "make bench", "date": "2026-11-23", "machine": {"cores": 2}})
    assert "`make bench`, 2026-11-23, cores 2." in text


def test_the_picture_is_shown_where_there_is_one() -> None:
    assert "side-by-side.png" in page({"runs": [run(PIPELINE)]})
    assert "side-by-side.png" not in page({"runs": [run(PIPELINE, "backlog")]})


def test_of_an_empty_result_nothing_is_made_up() -> None:
    assert "|" not in page({})
    assert "##" not in page({})
