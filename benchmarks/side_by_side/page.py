"""The page docs/benchmarks/side-by-side.md, out of the JSON that a run writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.side_by_side.picture import STAGES, TARGET_MS, is_drawable
from benchmarks.side_by_side.plan import WARM_RATE, WARM_SECONDS
from benchmarks.side_by_side.systems import NOTIFY, PIPELINE, POLLING_30

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PICTURE = "side-by-side.png"
"""The picture's file, beside the page."""

_BASELINES = (POLLING_30.name, NOTIFY.name)
_LATENCY = ("mean", "p50", "p95", "p99", "max")
_NOTHING = "-"
_HOW = f"""\
Every system inserts the same events, each in a transaction of its own, and writes the same ledger
rows by the same rules; they run one after the other. Latency is from the commit of an event to the
commit of its bill, of every bill, by PostgreSQL's own commit timestamps. The target
is {TARGET_MS:.0f} ms. Processor time and memory are those of PostgreSQL and of the system's own
processes; WAL is what application and system write together. {PIPELINE.name.capitalize()} is warm:
{WARM_SECONDS:.0f} s at {WARM_RATE:.0f} events a second, in which Java compiled what it needs.
"""
_UNBILLED = """\
`unbilled` are bills that had not come when a run's patience was at its end. They are in no latency
beside them, which then says less than it should.
"""
_REPEATED = """\
Of what was done several times, the time of the median p99. Every p99 in ms, and beside it what
shows the machine quicker and slower: CPU s per 1,000 events, and the slowest fsync meanwhile in ms.

"""
_RATIOS = f"""\
How many times as long a bill takes there, and how many times as many events a second
{PIPELINE.name} bills. Below 1 the other one is better.
"""
_STAGES = """\
In ms. Kafka's times are whole ones, of the broker as it appended a record. The p99 of the stages do
not add up to the p99 of the whole way.
"""
_PROCESSES = """\
By process: CPU s per 1,000 events, and memory in MiB. PostgreSQL's has the application's inserts in
it; the application's own process is not counted, but where its listener is in it.
"""
_CLIENTS = """\
In ms. `seen`: what a client saw that commits a session four times a second and asks a second
connection for its bill until it is there. `insert`: the application's transaction. `sent late`: how
much later than its time the application sent an event, at most. `fsync`: how long a page took to be
on disk, 20 times a second beside it.
"""
_KNEE = f"""\
Higher and higher rates for {PIPELINE.name}, each event its own transaction, up to the first that is
not sustained. Sustained: all is sent in time and billed, 99 of 100 within a second, and bills do
not wait longer at the end.
"""
_SCALE = """\
A backlog, all parts at work at once on the cores of one machine; CPU s per 1,000 events.
"""
_PARTS = """\
Events a second of a backlog that lies in so many partitions: the connector brings it to Kafka, then
the workers decide, then the ledger writer posts. The other parts have nothing to do meanwhile.
"""
_STATE = """\
Events a second of a backlog, on a stack that knows no session and on one that knows many, in turn;
both were started anew and drained one backlog before. What is drained stays on either.
"""
_STATE_STEADY = """\
Singles at a steady rate on the same two, afterwards.
"""
_STORAGE = """\
In bytes, of the full stack: a session with one event and one bill. They came as backlogs, and Kafka
packs large batches closer than single events.
"""


def page(result: Mapping[str, Any]) -> str:
    """Return the page, in Markdown; a section that the result has nothing for is left out."""
    runs: Sequence[Mapping[str, Any]] = result.get("runs", ())
    tables = {
        **{
            work.capitalize(): (_repeated(runs, work), _systems(runs, work))
            for work in _works(runs)
        },
        "How many times quicker": (_RATIOS, _ratios(runs)),
        "Where the time goes": (_STAGES, _stages(runs)),
        "Where the processor time goes": (_PROCESSES, _processes(runs)),
        "What clients see": (_CLIENTS, _clients(runs)),
        "What the outbox costs the application": ("", _times(result.get("insert_cost", {}))),
        "What nothing on this machine can beat": ("", _times(result.get("floors", {}))),
        "Starting": ("", _plain(_named(result.get("startup", {})))),
        "How many events a second": (_KNEE, _plain(result.get("knee", ()))),
        "With more workers": (_SCALE, _plain(result.get("scale", ()))),
        "What each part does alone": (_PARTS, _plain(result.get("parts", ()))),
        "With more sessions known": (_STATE, _plain(result.get("state", ()))),
        "With more sessions known, at a steady rate": (
            _STATE_STEADY,
            _plain(result.get("state_steady", ())),
        ),
        "What a session takes on disk": (_STORAGE, _plain(_named(result.get("storage", {})))),
    }
    sections = [
        "\n".join(each for each in (f"## {title}", text, table) if each)
        for title, (text, table) in tables.items()
        if table
    ]
    return "\n".join([_head(result), *sections])


def _head(result: Mapping[str, Any]) -> str:
    machine = [f"{_words(name)} {value}" for name, value in result.get("machine", {}).items()]
    command = [f"`{result['command']}`"] if "command" in result else []
    date = [str(result["date"])] if "date" in result else []
    origin = ", ".join([*command, *date, *machine])
    drawn = is_drawable(result.get("runs", ()))
    picture = drawn and f"![Latencies of all, and the stages of {PIPELINE.name}]({PICTURE})\n"
    parts = ("# Side by side\n", origin and f"{origin}.\n", _HOW, picture, _UNBILLED)
    return "\n".join(part for part in parts if part)


def _works(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(run["work"] for run in runs))


def _systems(runs: Iterable[Mapping[str, Any]], work: str) -> str:
    header = (
        "system",
        *(f"{name} ms" for name in _LATENCY),
        "events/s", "CPU s per 1,000 events", "memory MiB", "WAL bytes per event", "unbilled",
    )  # fmt: skip
    return _table(
        header,
        (
            (
                run["system"],
                *_quantiles(run["latency"], _LATENCY),
                _number(run["events_per_second"]),
                f"{sum(run['cpu_seconds'].values()):.2f}",
                _number(sum(run["memory_mib"].values())),
                _number(run["wal_bytes"]),
                f"**{run['unbilled']:,}**" if run["unbilled"] else "0",
            )
            for run in runs
            if run["work"] == work
        ),
    )


def _repeated(runs: Iterable[Mapping[str, Any]], work: str) -> str:
    """Return what each time of a work that was repeated gave."""
    said = [
        f"- {run['system']}: {', '.join(map(_repetition, run['repetitions']))}\n"
        for run in runs
        if run["work"] == work and len(run.get("repetitions", ())) > 1
    ]
    return f"{_REPEATED}{''.join(said)}" if said else ""


def _repetition(of: Mapping[str, float]) -> str:
    return f"{_number(of['p99_ms'])} ({of['cpu_seconds']:.2f}, {_number(of['fsync_max_ms'])})"


def _ratios(runs: Sequence[Mapping[str, Any]]) -> str:
    measures = ("mean", "p50", "p99")
    header = ("work", "beside", *measures, "events/s")
    return _table(header, _ratio_rows(runs, measures))


def _ratio_rows(
    runs: Sequence[Mapping[str, Any]], measures: Sequence[str]
) -> Iterator[Sequence[str]]:
    by_name = {(run["work"], run["system"]): run for run in runs}
    for work in _works(runs):
        ours = by_name.get((work, PIPELINE.name))
        for baseline in _BASELINES:
            theirs = by_name.get((work, baseline))
            if ours is None or theirs is None:
                continue
            yield (
                work,
                baseline,
                *(
                    _ratio(theirs["latency"][f"{name}_ms"], ours["latency"][f"{name}_ms"])
                    for name in measures
                ),
                _ratio(ours["events_per_second"], theirs["events_per_second"]),
            )


def _stages(runs: Iterable[Mapping[str, Any]]) -> str:
    header = ("work", *(f"{label}, {q}" for label in STAGES.values() for q in ("p50", "p99")))
    return _table(
        (*header, "the whole way, p50", "p99"),
        (
            (
                run["work"],
                *(
                    figure
                    for part in (*(run["stages"][stage] for stage in STAGES), run["latency"])
                    for figure in _quantiles(part, ("p50", "p99"))
                ),
            )
            for run in runs
            if run.get("stages") is not None
        ),
    )


def _processes(runs: Sequence[Mapping[str, Any]]) -> str:
    return _table(
        ("work", "system", "CPU s per 1,000 events", "memory MiB"),
        (
            (
                run["work"],
                run["system"],
                _listed(run["cpu_seconds"], 0.005),
                _listed(run["memory_mib"], 1),
            )
            for work in _works(runs)
            for run in runs
            if run["work"] == work
        ),
    )


def _listed(values: Mapping[str, float], least: float) -> str:
    """Return the values by name, the largest first, without what is next to nothing."""
    ordered = sorted(values.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {_number(value)}" for name, value in ordered if value >= least)


def _clients(runs: Sequence[Mapping[str, Any]]) -> str:
    return _table(
        (
            *("work", "system", "seen p50", "seen p99", "insert p50", "insert p99", "sent late"),
            *("fsync p50", "fsync p99", "fsync max"),
        ),
        (
            (
                run["work"],
                run["system"],
                *_quantiles(run["seen"], ("p50", "p99")),
                *_quantiles(run["insert"], ("p50", "p99")),
                _number(run["sent_late_ms"]),
                *_quantiles(run["fsync"], ("p50", "p99", "max")),
            )
            for work in _works(runs)
            for run in runs
            if run["work"] == work and run["insert"]["count"]
        ),
    )


def _times(quantiles: Mapping[str, Mapping[str, Any]]) -> str:
    return _table(
        ("", *(f"{name} ms" for name in _LATENCY)),
        ((name, *_quantiles(each, _LATENCY)) for name, each in quantiles.items()),
    )


def _named(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"": name, "value": value} for name, value in values.items()]


def _plain(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of whatever is a figure or a word in some rows."""
    simple = [
        {name: value for name, value in row.items() if isinstance(value, str | int | float)}
        for row in rows
    ]
    columns = list(dict.fromkeys(name for row in simple for name in row))
    return _table(
        [_words(name) for name in columns],
        ([_number(row.get(name, _NOTHING)) for name in columns] for row in simple),
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _quantiles(of: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return [_number(of[f"{name}_ms"]) if of["count"] else _NOTHING for name in names]


def _ratio(more: float, less: float) -> str:
    return _number(more / less) if more and less else _NOTHING


def _number(value: float | str) -> str:
    """Return three digits of a figure, and all of a large one."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or value >= 100:  # noqa: PLR2004 - the third digit
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; without rows, nothing."""
    body = list(rows)
    lines = [header, ["---"] * len(header), *body] if body else []
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
