"""Whether a worker is ready, by what it read, finished and committed."""

from stream_processors.engine.messages import InboundRecord
from stream_processors.engine.progress import Progress

TOPIC = "events.session"
OTHER = "billing.package-sessions"
PARTITION = (TOPIC, 0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """A progress that is told what a worker tells it, second by second."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.progress = Progress("group", (TOPIC, OTHER), self.clock)
        self.end = 0
        self.committed = 0

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.now += 1
            self.progress.heard()
            self.progress.turned({PARTITION: (self.committed, self.end)})

    def finish(self, *offsets: int, topic: str = TOPIC) -> None:
        self.progress.finished([InboundRecord(topic, 0, each, None, None) for each in offsets])

    @property
    def ready(self) -> bool:
        return bool(self.progress.health()["ready"])

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        metrics = {each.name: each for each in self.progress.gauges()}
        return {tuple(each.labels.values()): each.value for each in metrics[name].samples}


def assigned_worker() -> Worker:
    worker = Worker()
    worker.progress.assigned([PARTITION, (OTHER, 0)])
    worker.pass_seconds(1)
    return worker


def test_a_worker_is_not_ready_before_its_partitions_come_and_while_they_move() -> None:
    worker = Worker()
    assert not worker.ready
    assert worker.samples("outbox_rebalancing") == {(): 1}
    worker.progress.assigned([])
    assert worker.ready
    worker.progress.revoked()
    assert not worker.ready


def test_an_idle_worker_stays_ready_however_long_nothing_comes() -> None:
    worker = assigned_worker()
    worker.pass_seconds(3600)
    assert worker.ready


def test_an_idle_worker_whose_kafka_is_silent_is_not_ready_and_says_so() -> None:
    worker = Worker()
    worker.progress.assigned([PARTITION])
    worker.clock.now += 9
    assert worker.progress.health()["ready"]
    worker.clock.now += 1
    assert worker.progress.health()["faults"] == {
        "kafka": "Kafka has not answered for 10 s: `outbox status`"
    }
    worker.progress.heard()
    assert worker.progress.health()["ready"]


def test_a_worker_that_finishes_nothing_while_records_wait_is_not_ready_and_says_so() -> None:
    worker = assigned_worker()
    worker.end = 7
    worker.pass_seconds(10)
    assert worker.ready
    worker.pass_seconds(2)
    health = worker.progress.health()
    assert health["ready"] is False
    assert "events.session has 7 records to read" in str(health["faults"])


def test_a_worker_with_a_backlog_that_it_works_off_is_ready() -> None:
    worker = assigned_worker()
    worker.end = 1_000
    for offset in range(60):
        worker.pass_seconds(1)
        worker.finish(offset)
        worker.progress.committed()
    assert worker.ready
    assert worker.samples("outbox_consumer_lag_records") == {("group", TOPIC, "0"): 941}


def test_one_topic_that_stands_still_is_not_hidden_by_another_that_moves() -> None:
    worker = assigned_worker()
    worker.end = 5
    for offset in range(12):
        worker.pass_seconds(1)
        worker.finish(offset, topic=OTHER)
        worker.progress.committed()
    assert not worker.ready


def test_a_worker_whose_commits_do_not_arrive_is_not_ready_until_one_does() -> None:
    worker = assigned_worker()
    worker.finish(0)
    worker.pass_seconds(9)
    assert worker.ready
    worker.pass_seconds(1)
    assert "nothing was committed for 10 s" in str(worker.progress.health()["faults"])
    worker.progress.committed()
    assert worker.ready


def test_lag_counts_from_what_is_committed_until_something_is_finished() -> None:
    worker = assigned_worker()
    worker.committed, worker.end = 40, 50
    worker.pass_seconds(1)
    assert worker.samples("outbox_consumer_lag_records") == {("group", TOPIC, "0"): 10}
    worker.finish(40, 41, 42)
    worker.pass_seconds(1)
    assert worker.samples("outbox_consumer_lag_records") == {("group", TOPIC, "0"): 7}


def test_what_another_worker_read_meanwhile_is_no_lag() -> None:
    worker = assigned_worker()
    worker.finish(3)
    worker.progress.revoked()
    worker.progress.assigned([PARTITION])
    worker.finish(4)
    worker.committed = worker.end = 90
    worker.pass_seconds(1)
    assert worker.samples("outbox_consumer_lag_records") == {("group", TOPIC, "0"): 0}


def test_the_lag_of_partitions_that_were_taken_away_is_told_no_more() -> None:
    worker = assigned_worker()
    worker.end = 5
    worker.pass_seconds(1)
    worker.progress.revoked()
    assert worker.samples("outbox_consumer_lag_records") == {}
    assert worker.samples("outbox_assigned_partitions") == {(TOPIC,): 0, (OTHER,): 0}


def test_when_something_was_committed_is_not_known_before_the_first_commit() -> None:
    worker = assigned_worker()
    assert worker.samples("outbox_last_commit_timestamp_seconds") == {}
    worker.progress.committed()
    ((at,),) = [worker.samples("outbox_last_commit_timestamp_seconds").values()]
    assert at > 1_700_000_000


def test_an_event_loop_that_has_not_turned_for_a_minute_needs_a_new_process() -> None:
    worker = assigned_worker()
    worker.clock.now += 59
    assert worker.progress.health()["live"] is True
    worker.clock.now += 1
    assert worker.progress.health()["live"] is False


def test_a_worker_that_still_waits_for_kafka_is_left_alive() -> None:
    worker = Worker()
    worker.clock.now += 3600
    assert worker.progress.health()["live"] is True
