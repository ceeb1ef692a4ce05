"""What the suite's application does: a plan, the same for the same seed, without end.

A lane is one connection that carries out transaction after transaction. A lane's plan comes in
epochs, each complete in itself, so that a restarted process need not run through all before.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.faults.stories import (
    MENTORS,
    PACKAGE_SIZES,
    PRICE_CHANGES,
    SESSION_TYPES,
    StoryTeller,
    Transaction,
)

EPOCH_STORIES = 1_000
OPEN_STORIES = 12
LONG_LANE = "long"
"""Lanes of this kind hold their transactions open, while the others go on."""

EURO_EVERY = 3
TOGETHER_RARELY = 0.75
ROLLED_BACK_FIRST = 0.04


def prices() -> list[tuple[str, str, int, str, str]]:
    """Return the rows of mentor_prices that the plan needs."""
    rows = []
    codes = [*SESSION_TYPES, *(f"package-{size}" for size in PACKAGE_SIZES)]
    for number, mentor in enumerate(MENTORS):
        currency = "USD" if number % EURO_EVERY else "EUR"
        for place, code in enumerate(codes):
            for change, effective_from in enumerate(PRICE_CHANGES):
                amount_minor = 7_000 + 101 * number + 1_003 * place + 13 * change
                rows.append((mentor, code, amount_minor, currency, effective_from))
    return rows


def transactions(seed: int, lane: str, epoch: int) -> list[Transaction]:
    """Return what a lane does in one epoch."""
    random = Random(f"{seed}/{lane}/{epoch}")
    teller = StoryTeller(random, f"{lane}e{epoch}")
    waiting = [teller.story(number).steps for number in range(EPOCH_STORIES)]
    opened, planned = [waiting.pop() for _ in range(OPEN_STORIES)], []
    while opened:
        together = 1 if random.random() < TOGETHER_RARELY else random.randint(2, 5)
        steps: list[Transaction] = []
        while opened and len(steps) < together:
            story = random.choice(opened)
            steps.append(story.pop(0))
            if not story:
                opened.remove(story)
                opened += [waiting.pop()] if waiting else []
        for transaction in _merged(steps):
            planned += _as_carried_out(random, lane, transaction)
    return planned


def _merged(steps: list[Transaction]) -> list[Transaction]:
    """Several steps in one transaction; but what is rolled back stays by itself."""
    kept = [step for step in steps if step.commits]
    merged = Transaction(
        tuple(event for step in kept for event in step.events),
        tuple(subject for step in kept for subject in step.pays),
    )
    rolled_back = [step for step in steps if not step.commits]
    return [*rolled_back, merged] if kept else rolled_back


def _as_carried_out(random: Random, lane: str, transaction: Transaction) -> list[Transaction]:
    """Now and then an application rolls back first; a long lane holds what it does."""
    if lane.startswith(LONG_LANE):
        held_seconds = random.choice((0.05, 0.3, 1.0, 3.0))
        transaction = replace(transaction, held_seconds=held_seconds)
    if transaction.commits and random.random() < ROLLED_BACK_FIRST:
        return [replace(transaction, pays=(), commits=False), transaction]
    return [transaction]
