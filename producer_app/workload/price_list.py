"""The prices of a plan: a list a mentor, with changes that fall exactly on a completion."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from producer_app.workload.actions import Action, CompleteSession, Price, StartSession

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from random import Random

BASE_AMOUNTS_MINOR = {
    "mentoring": 100_00,
    "mock-interview": 120_00,
    "resume-review": 80_00,
    "package-3": 650_00,
    "package-5": 1_050_00,
    "package-10": 2_000_00,
}
"""What a session or package costs about, in minor units, by price code."""


def price_lists(
    random: Random,
    mentors: Sequence[str],
    actions: Sequence[Action],
    starts_at: datetime,
    *,
    late: int,
    never: int,
) -> tuple[tuple[Price, ...], tuple[Price, ...]]:
    """Return the prices there are before the run, and the late ones of the `late` mentors.

    The last `never` of the mentors have no price, the `late` before them late ones only.
    """
    priced = max(0, len(mentors) - never)
    in_time = max(0, priced - late)
    completions = _completions_by_mentor(actions)
    prices: list[Price] = []
    for position, mentor_id in enumerate(mentors[:priced]):
        currency = "EUR" if 0 < position == in_time - 1 else "USD"
        changes_at = random.choice(completions.get(mentor_id, [starts_at + timedelta(days=10)]))
        for price_code, base in BASE_AMOUNTS_MINOR.items():
            prices += [
                Price(
                    mentor_id=mentor_id,
                    price_code=price_code,
                    amount_minor=base + base * random.randint(-10, 10) // 100,
                    currency=currency,
                    effective_from=effective_from,
                )
                for effective_from in (starts_at - timedelta(days=90), changes_at)
            ]
    boundary = in_time * len(BASE_AMOUNTS_MINOR) * 2
    return tuple(prices[:boundary]), tuple(prices[boundary:])


def _completions_by_mentor(actions: Sequence[Action]) -> dict[str, list[datetime]]:
    mentors = {
        action.request.session_id: action.request.mentor_id
        for action in actions
        if isinstance(action, StartSession)
    }
    completions: dict[str, list[datetime]] = {}
    for action in actions:
        if isinstance(action, CompleteSession):
            completions.setdefault(mentors[action.session_id], []).append(action.at)
    return completions
