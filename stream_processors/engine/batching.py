"""How often batches begin: seldom enough to share their costs, often enough for what waits."""

_SECONDS_A_RECORD = 0.001
_SECONDS_MAX = 0.025


def interval_seconds(least_seconds: float, records: int) -> float:
    """Return how long after the beginning of a batch of `records` the next may begin.

    Above 1,000 records a second each batch is larger than the one before, up to 25 ms of them:
    the processors are busy then, and what a batch costs by itself is what others wait for.
    """
    return max(least_seconds, min(_SECONDS_MAX, records * _SECONDS_A_RECORD))
