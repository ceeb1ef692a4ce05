"""One event, followed from its application to the ledger: headers, logs and spans."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from sqlalchemy.orm import Session as Transaction

from infra.local.credentials import load_credentials
from infra.local.layout import project_directory
from infra.local.processors import ledger_writer_program, worker_program
from infra.local.programs import Program
from operations.replay.sending import EVENT_COLUMNS, event_record
from producer_app import database, outbox
from schemas.records import SessionCompleted
from tests.end_to_end.books import NOON, Books
from tests.running_stack import RunningStack
from tests.span_collector import Collector, collecting
from tests.waiting import wait_until

OURS = ("worker-1", "ledger-writer", "connector-keeper", "scheduler", "console")


def traceparent(number: int, *, sampled: bool = True) -> str:
    """The trace context that an application's request number so and so has."""
    return f"00-{trace(number)}-b7ad6b7169203331-{'01' if sampled else '00'}"


def trace(number: int) -> str:
    return f"{os.getpid():016x}{number:016x}"


def record(books: Books, noun: str, trace_of_request: str | None, package: str = "") -> str:
    """Complete a session as the application does, within a request; return the event's id."""
    terms: dict[str, Any] = {}
    if package:
        terms = {
            "service_package_id": books.id(package),
            "package_code": "course",
            "package_total_sessions": 2,
        }
    event = SessionCompleted(
        session_id=books.id(noun),
        contract_id=books.contract,
        mentor_id=books.mentor,
        student_id=books.id("student"),
        session_type="single",
        required_evaluation=False,
        completed_at=datetime.fromisoformat(NOON),
        **terms,
    )
    engine = database.connect(books.stack.address("app_database_url"))
    try:
        with Transaction(engine) as transaction:
            outbox.record(transaction, event, trace_of_request)
            transaction.commit()
    finally:
        engine.dispose()
    [row] = books.rows("SELECT id::text FROM domain_events WHERE aggregate_id = %s", books.id(noun))
    return str(row["id"])


def headers_in(books: Books, topic: str, key: str) -> list[dict[str, bytes | None]]:
    """The headers of each record of a topic that has a key."""
    consumer = Consumer(
        {
            "bootstrap.servers": books.stack.address("kafka_bootstrap_servers"),
            "group.id": "reads-headers",
            "enable.auto.commit": False,
        }
    )
    found, remaining, places = [], 0, []
    for number in consumer.list_topics(topic, timeout=20).topics[topic].partitions:
        begin, end = consumer.get_watermark_offsets(TopicPartition(topic, number))
        places.append(TopicPartition(topic, number, begin))
        remaining += end - begin
    consumer.assign(places)
    while remaining:
        for message in consumer.consume(min(remaining, 500), timeout=20):
            assert message.error() is None
            remaining -= 1
            if message.key() == key.encode():
                found.append(dict(message.headers() or ()))
    consumer.close()
    return found


def wait_until_told(books: Books, package: str) -> None:
    """Wait until a package knows of its first session: the next one completes it then."""
    wait_until(
        f"{package} is told of a session",
        lambda: headers_in(books, "billing.package-sessions", books.id(package)),
        is_so=bool,
    )


def lines_of(stack: RunningStack, name: str) -> list[dict[str, Any]]:
    """All that a process has logged; fails where a line is not JSON."""
    return [json.loads(line) for line in stack.layout.log(name).read_text().splitlines()]


def lines_with(books: Books, field: str, value: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The lines with such a field, by the process that wrote them, in the order of time."""
    found = [
        (name, line)
        for name in OURS
        for line in lines_of(books.stack, name)
        if line.get(field) == value
    ]
    return sorted(found, key=lambda each: str(each[1]["timestamp"]))


def test_a_sampled_event_is_followed_by_its_trace_through_all_logs_and_headers(
    books: Books,
) -> None:
    event_id = record(books, "single", traceparent(1))
    [bill] = books.wait_for_bills(1)
    lines = wait_until(
        "the entry is logged",
        lambda: lines_with(books, "trace_id", trace(1)),
        is_so=lambda found: "entry_posted" in {line["event"] for _, line in found},
    )

    assert {(name, line["event"]) for name, line in lines} == {
        ("worker-1", "event_processed"),
        ("ledger-writer", "event_received"),
        ("ledger-writer", "entry_posted"),
    }
    for _, line in lines:
        assert line["event_id"] == event_id
        assert (line["aggregate_type"], line["aggregate_id"]) == ("session", books.id("single"))
        assert line["traceparent"] == traceparent(1)
        assert books.mentor not in json.dumps(line)
    # Receipts are another thread's: their line may come before or after.
    [posted] = [line for _, line in lines if line["event"] == "entry_posted"]
    assert posted["ledger_id"] == str(bill["id"])

    [event] = headers_in(books, "events.session", books.id("single"))
    [payable] = headers_in(books, "billing.payables", str(bill["id"]))
    assert payable == {
        "eventId": event_id.encode(),
        "createdAt": event["createdAt"],
        "traceparent": traceparent(1).encode(),
    }


def test_a_package_is_followed_by_the_trace_of_the_session_that_completed_it(books: Books) -> None:
    record(books, "first", traceparent(2), package="package")
    wait_until_told(books, "package")
    last = record(books, "last", traceparent(3), package="package")
    [bill] = books.wait_for_bills(1)
    lines = wait_until(
        "the entry is logged",
        lambda: lines_with(books, "event_id", last),
        is_so=lambda found: "entry_posted" in {line["event"] for _, line in found},
    )

    assert [
        (line["event"], line["aggregate_type"], line["aggregate_id"])
        for _, line in lines
        if line["event"] != "event_received"
    ] == [
        ("event_processed", "session", books.id("last")),
        ("event_processed", "package", books.id("package")),
        ("entry_posted", "package", books.id("package")),
    ]
    [payable] = headers_in(books, "billing.payables", str(bill["id"]))
    assert payable["traceparent"] == traceparent(3).encode()


def test_an_event_that_is_not_sampled_has_no_line_unless_it_becomes_an_exception(
    books: Books,
) -> None:
    fine = [record(books, "unsampled", traceparent(4, sampled=False)), record(books, "none", None)]
    books.wait_for_bills(2)
    wrong = books.insert(books.completed("none", studentId=books.id("another")))
    exception = books.wait_for_exception(books.id("none"), "session_conflict", "failed")
    lines = wait_until(
        "the exception is logged",
        lambda: lines_with(books, "event_id", wrong),
        is_so=lambda found: len(found) == 2,
    )

    assert [lines_with(books, "event_id", event_id) for event_id in fine] == [[], []]
    assert [(name, line["event"], line["level"]) for name, line in lines] == [
        ("worker-1", "exception_reported", "warning"),
        ("ledger-writer", "exception_recorded", "warning"),
    ]
    assert lines[-1][1]["exception_id"] == str(exception["id"])
    assert books.id("another") not in json.dumps([line for _, line in lines])


def test_what_is_sent_again_bears_the_headers_of_the_first_time(books: Books) -> None:
    event_id = record(books, "again", traceparent(5))
    [bill] = books.wait_for_bills(1)
    [sent] = headers_in(books, "events.session", books.id("again"))
    [said] = headers_in(books, "billing.payables", str(bill["id"]))
    books.outbox_json("replay", "--event", event_id)

    again = wait_until(
        "it is said again",
        lambda: headers_in(books, "billing.payables", str(bill["id"])),
        is_so=lambda found: len(found) == 2,
    )
    assert again == [said, said]
    _, replayed = headers_in(books, "events.session", books.id("again"))
    assert replayed == {**sent, "replayed": b"replay"}
    # Repair and recover make theirs from the table.
    [row] = books.rows(f"SELECT {EVENT_COLUMNS} FROM domain_events WHERE id = %s", event_id)
    assert dict(event_record(row).headers) == sent


@contextmanager
def exporting(stack: RunningStack, endpoint: str) -> Iterator[None]:
    """Run worker and ledger writer as the stack does, but with a collector of spans."""
    credentials = load_credentials(stack.layout.secrets)
    assert credentials is not None
    programs = (worker_program(stack.layout, 1), ledger_writer_program(stack.layout, credentials))
    with ExitStack() as running:
        running.enter_context(stack.stopped(*(program.name for program in programs)))
        for program in programs:
            running.enter_context(_run(program, endpoint))
        yield


@contextmanager
def _run(program: Program, endpoint: str) -> Iterator[None]:
    process = subprocess.Popen(
        program.command,
        cwd=project_directory(),
        env={
            **os.environ,
            **program.environment,
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def test_the_spans_of_an_event_are_one_trace_each_the_parent_of_the_next(
    books: Books, collector: Collector
) -> None:
    with exporting(books.stack, collector.url):
        record(books, "first", None, package="traced")
        wait_until_told(books, "traced")
        record(books, "unsampled", traceparent(7, sampled=False))
        last = record(books, "last", traceparent(6), package="traced")
        bills = books.wait_for_bills(2)
        spans = wait_until(
            "three spans have come",
            lambda: collector.of_trace(trace(6)),
            is_so=lambda found: len(found) >= 3,
        )

    assert [(span.service, span.name) for span in spans] == [
        ("outbox-worker", "process events.session"),
        ("outbox-worker", "process billing.package-sessions"),
        ("outbox-ledger-writer", "process billing.payables"),
    ]
    assert [span.parent_id for span in spans] == ["b7ad6b7169203331", *(
        span.span_id for span in spans[:2]
    )]  # fmt: skip
    assert {span.attributes["outbox.event_id"] for span in spans} == {last}
    assert {span.trace_id for span in collector.spans} == {trace(6)}
    package = next(bill for bill in bills if bill["kind"] == "package")
    [payable] = headers_in(books, "billing.payables", str(package["id"]))
    assert payable["traceparent"] == f"00-{trace(6)}-{spans[1].span_id}-01".encode()


def test_each_line_that_a_process_of_ours_has_logged_is_json(books: Books) -> None:
    books.insert(books.completed("billed"))
    books.wait_for_bills(1)

    assert {name: bool(lines_of(books.stack, name)) for name in OURS} == dict.fromkeys(OURS, True)
