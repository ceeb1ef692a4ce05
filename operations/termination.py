"""Ending on TERM and on a closed terminal as on Ctrl-C: with everything cleaned up."""

import signal


def interrupt_on_termination() -> None:
    """Let INT, TERM and HUP raise KeyboardInterrupt; for verbs that start processes.

    INT too: a shell starts what runs in its background with INT ignored, and Python keeps that.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
