"""Ending on TERM and on a closed terminal as on Ctrl-C: with everything cleaned up."""

import signal


def interrupt_on_termination() -> None:
    """Let TERM and HUP raise KeyboardInterrupt, as INT does; for verbs that start processes."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
