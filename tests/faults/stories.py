"""The stories that the application's plan is made of: what happens to one subject, in order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

MENTORS = tuple(f"mentor-{number:02d}" for number in range(12))
UNPRICED_MENTOR = "mentor-without-price"
SESSION_TYPES = ("mentoring", "mock-interview", "resume-review")
PACKAGE_SIZES = (1, 2, 3, 5, 10)
SHARED_USERS = 5
PRICE_CHANGES = (
    "2020-01-01T00:00:00+00:00",
    "2026-02-01T00:00:00+00:00",
    "2026-04-15T12:00:00.5+00:00",
)
LABEL = "$event"
"""A payload's {"$event": label} stands for the id that the event of that label was given."""


@dataclass(frozen=True, slots=True)
class Event:
    """One row to be inserted."""

    aggregate_type: str
    aggregate_id: str
    event_type: str
    payload: Mapping[str, Any]
    label: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """Some rows in one transaction; `pays` are the subjects that are payable once it committed."""

    events: tuple[Event, ...]
    pays: tuple[str, ...] = ()
    commits: bool = True
    held_seconds: float = 0.0


@dataclass(slots=True)
class Story:
    """What happens to one subject, in this order; other stories happen in between."""

    steps: list[Transaction] = field(default_factory=list)

    def then(self, *events: Event, pays: tuple[str, ...] = ()) -> None:
        """Add a step."""
        self.steps.append(Transaction(events, pays))


def session_event(kind: str, payload: Mapping[str, Any], label: str | None = None) -> Event:
    """Return an event of a session; `kind` is completed, evaluated or voided."""
    return Event("session", payload["sessionId"], f"services.session.{kind}", payload, label)


@dataclass(slots=True)
class StoryTeller:
    """Makes up stories; their ids begin with `prefix`."""

    random: Random
    prefix: str

    def story(self, number: int) -> Story:
        """Return one story; most are of the common kinds."""
        name = f"{self.prefix}n{number}"
        tellers = (
            (34, self._single),
            (16, self._evaluated),
            (14, self._package),
            (8, self._shared_user),
            (5, self._said_twice),
            (4, self._evaluated_without_need),
            (3, self._never_evaluated),
            (3, self._voided_in_time),
            (2, self._contradicted),
            (2, self._package_exceeded),
            (1, self._package_contradicted),
            (1, self._without_price),
            (1, self._nothing_but_a_rollback),
        )
        (tell,) = self.random.choices(
            [teller for _, teller in tellers], [weight for weight, _ in tellers]
        )
        story = Story()
        tell(story, name)
        return story

    def _instant(self) -> str:
        """Return a time in one of the ways that RFC 3339 knows, now and then of a price change."""
        if self.random.random() < 0.03:
            return self.random.choice(PRICE_CHANGES)
        day, hour = self.random.randint(1, 28), self.random.randint(0, 23)
        month, minute = self.random.randint(1, 5), self.random.randint(0, 59)
        fraction = self.random.choice(("", ".5", ".123456"))
        offset = self.random.choice(("Z", "Z", "+02:00", "-05:30"))
        return f"2026-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:00{fraction}{offset}"

    def completed(self, name: str, **changes: Any) -> dict[str, Any]:
        """Return the payload of a completed session, by itself unless `changes` say otherwise."""
        payload = {
            "sessionId": name,
            "contractId": f"{name}-contract",
            "mentorId": self.random.choice(MENTORS),
            "studentId": f"{name}-student",
            "sessionType": self.random.choice(SESSION_TYPES),
            "requiredEvaluation": False,
            "completedAt": self._instant(),
        }
        return {**payload, **changes}

    def _evaluation(self, name: str) -> Event:
        payload = {"sessionId": name, "evaluatedAt": self._instant()}
        return session_event("evaluated", payload)

    def _single(self, story: Story, name: str) -> None:
        """Complete a session, half of them under a contract whose entitlement is consumed."""
        if self.random.random() < 0.5:
            story.then(session_event("completed", self.completed(name)), pays=(f"session/{name}",))
            return
        contract = f"{name}-contract"
        payload = self.completed(name)
        services = [{"sessionType": payload["sessionType"], "quantity": 1}]
        signed = {"contractId": contract, "studentId": payload["studentId"]}
        story.then(
            Event(
                "contract",
                contract,
                "contract.signed",
                {**signed, "signedAt": self._instant(), "services": services},
            )
        )
        activated = {"contractId": contract, "activatedAt": self._instant()}
        story.then(Event("contract", contract, "contract.activated", activated))
        consumed = {
            "contractId": contract,
            "sessionId": name,
            "sessionType": payload["sessionType"],
            "quantity": 1,
            "remaining": 0,
        }
        trace = (
            f"00-{self.random.getrandbits(128) | 1:032x}-{self.random.getrandbits(64) | 1:016x}-01"
        )
        story.then(
            replace(session_event("completed", payload), traceparent=trace),
            Event("contract", contract, "service.consumed", consumed, None, trace),
            pays=(f"session/{name}",),
        )

    def _evaluated(self, story: Story, name: str) -> None:
        """The evaluation comes after the completion, or before."""
        events = [
            session_event("completed", self.completed(name, requiredEvaluation=True)),
            self._evaluation(name),
        ]
        self.random.shuffle(events)
        story.then(events[0])
        story.then(events[1], pays=(f"session/{name}",))

    def _never_evaluated(self, story: Story, name: str) -> None:
        story.then(session_event("completed", self.completed(name, requiredEvaluation=True)))

    def _evaluated_without_need(self, story: Story, name: str) -> None:
        story.then(session_event("completed", self.completed(name)), pays=(f"session/{name}",))
        story.then(self._evaluation(name))

    def _said_twice(self, story: Story, name: str) -> None:
        """A completion is said again, with another field that nobody bills."""
        payload = self.completed(name)
        story.then(session_event("completed", payload), pays=(f"session/{name}",))
        for minutes in range(self.random.randint(1, 3)):
            story.then(session_event("completed", {**payload, "durationMinutes": 30 + minutes}))

    def _terms(self, name: str, total: int) -> dict[str, Any]:
        return {
            "contractId": f"{name}-contract",
            "mentorId": self.random.choice(MENTORS),
            "studentId": f"{name}-student",
            "servicePackageId": name,
            "packageCode": f"package-{total}",
            "packageTotalSessions": total,
        }

    def _package(self, story: Story, name: str) -> None:
        """Some of the sessions need an evaluation; one package in six is left one short."""
        total = self.random.choice(PACKAGE_SIZES)
        terms = self._terms(name, total)
        steps: list[Event] = []
        for number in range(total):
            session = f"{name}-{number}"
            required = self.random.random() < 0.2
            payload = self.completed(session, requiredEvaluation=required, **terms)
            steps.append(session_event("completed", payload))
            if required:
                steps.append(self._evaluation(session))
        self.random.shuffle(steps)
        if total > 1 and self.random.random() < 1 / 6:
            steps.pop()
            for event in steps:
                story.then(event)
            return
        for event in steps[:-1]:
            story.then(event)
        story.then(steps[-1], pays=(f"package/{name}",))

    def _voided_in_time(self, story: Story, name: str) -> None:
        """A completion is voided before it is billable; another one says what was meant."""
        payload = self.completed(name, requiredEvaluation=True)
        story.then(session_event("completed", payload, label=f"{name}/wrong"))
        voided = {"sessionId": name, "eventId": {LABEL: f"{name}/wrong"}, "reason": "wrong mentor"}
        story.then(session_event("voided", voided))
        right = self.completed(name, requiredEvaluation=True)
        story.then(session_event("completed", right))
        story.then(self._evaluation(name), pays=(f"session/{name}",))

    def _contradicted(self, story: Story, name: str) -> None:
        payload = self.completed(name)
        story.then(session_event("completed", payload))
        other = {**payload, "contractId": f"{name}-another-contract"}
        story.then(session_event("completed", other))

    def _package_exceeded(self, story: Story, name: str) -> None:
        total = self.random.choice((1, 2, 3))
        terms = self._terms(name, total)
        for number in range(total + 1):
            story.then(session_event("completed", self.completed(f"{name}-{number}", **terms)))

    def _package_contradicted(self, story: Story, name: str) -> None:
        terms = self._terms(name, 2)
        story.then(session_event("completed", self.completed(f"{name}-0", **terms)))
        other = {**terms, "studentId": f"{name}-another-student"}
        story.then(session_event("completed", self.completed(f"{name}-1", **other)))
        story.then(session_event("completed", self.completed(f"{name}-2", **terms)))

    def _without_price(self, story: Story, name: str) -> None:
        payload = self.completed(name, mentorId=UNPRICED_MENTOR)
        story.then(session_event("completed", payload))

    def _nothing_but_a_rollback(self, story: Story, name: str) -> None:
        """A session that, for everybody else, never was."""
        event = session_event("completed", self.completed(f"{name}-ghost"))
        story.steps.append(Transaction((event,), (), commits=False))

    def _shared_user(self, story: Story, name: str) -> None:
        """All lanes write to the same few users: their order is that of the commits."""
        del name
        user = f"shared-user-{self.random.randrange(SHARED_USERS)}"
        payload = {"userId": user, "signedUpAt": self._instant()}
        story.then(Event("user", user, "user.signup", payload))
