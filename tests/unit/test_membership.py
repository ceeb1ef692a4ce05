"""A member without partitions is given up only where Kafka has answered for long enough."""

import pytest

from stream_processors.ledger.membership import (
    ASK_SECONDS,
    PATIENCE_SECONDS,
    Membership,
    StrandedError,
)


class Situation:
    """A clock, and a Kafka that answers or not."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.answers = True
        self.asked = 0
        self.membership = Membership("the group", self._answers, lambda: self.now)

    def pass_by(self, seconds: float, *, assigned: bool) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.1
            self.membership.look(assigned=assigned)

    def _answers(self) -> bool:
        self.asked += 1
        return self.answers


@pytest.fixture
def situation() -> Situation:
    return Situation()


def test_a_member_without_partitions_while_kafka_answers_is_stranded(situation: Situation) -> None:
    with pytest.raises(StrandedError, match="the group gave this member no partitions"):
        situation.pass_by(2 * ASK_SECONDS + PATIENCE_SECONDS, assigned=False)


def test_a_member_that_has_its_partitions_asks_nobody(situation: Situation) -> None:
    situation.pass_by(10 * PATIENCE_SECONDS, assigned=True)
    assert situation.asked == 0


def test_a_member_waits_for_a_kafka_that_is_away_however_long(situation: Situation) -> None:
    situation.answers = False
    situation.pass_by(10 * PATIENCE_SECONDS, assigned=False)
    assert situation.asked > 1


def test_the_patience_begins_when_kafka_answers_again(situation: Situation) -> None:
    situation.pass_by(PATIENCE_SECONDS, assigned=False)
    situation.answers = False
    situation.pass_by(2 * ASK_SECONDS, assigned=False)
    situation.answers = True
    situation.pass_by(PATIENCE_SECONDS, assigned=False)
    with pytest.raises(StrandedError):
        situation.pass_by(2 * ASK_SECONDS, assigned=False)


def test_partitions_that_come_late_are_in_time(situation: Situation) -> None:
    situation.pass_by(PATIENCE_SECONDS, assigned=False)
    situation.pass_by(1, assigned=True)
    situation.pass_by(PATIENCE_SECONDS, assigned=False)
