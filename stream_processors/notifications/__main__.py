"""The notifications as a process of their own: `python -m stream_processors.notifications`.

A topic loop like the ledger writer's, not Faust: there is no state to keep, which is what Faust is
here for. It has no connection to the database, and its consumer groups are nobody's backlog: it can
be slow, stand still or be gone, and no bill waits.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from stream_processors.engine.crash import end_process
from stream_processors.engine.health import Pages, serve_pages
from stream_processors.engine.lag import lag_gauge
from stream_processors.engine.logs import set_up_logs
from stream_processors.environment import SettingsError
from stream_processors.ledger.consuming import TopicLoop
from stream_processors.notifications.agents import AGENTS
from stream_processors.notifications.notifier import Notifier
from stream_processors.notifications.settings import NotificationsSettings, chosen_agents
from stream_processors.notifications.webhook import Webhook
from stream_processors.settings import end_as_wrongly_used, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream_processors.engine.lag import Partition
    from stream_processors.notifications.agents import Agent
    from stream_processors.notifications.settings import WebhookSettings

_log = structlog.get_logger(__name__)

POSTS_AT_ONCE = 8
_STOP_SECONDS = 15.0  # longer than all tries of one batch
_NICENESS = 10


class Notifications:
    """A topic loop an agent, so that one receiver does not hold up the others."""

    def __init__(
        self, settings: NotificationsSettings, agents: Mapping[Agent[Any], WebhookSettings]
    ) -> None:
        self.stopping = threading.Event()
        self._notifiers = {
            agent: Notifier(
                agent,
                Webhook(str(webhook.url), webhook.key),
                timedelta(minutes=webhook.age_minutes_max),
            )
            for agent, webhook in agents.items()
        }
        self._loops = [
            TopicLoop(
                group=agent.group,
                topics=[agent.topic],
                member=settings.notifications_name,
                kafka=settings.brokers.client,
                carry_out=notifier.carry_out,
                every_seconds=0.0,
                stopping=self.stopping,
                on_fault=end_process,
                records_max=POSTS_AT_ONCE,
                from_now_on=True,
            )
            for agent, notifier in self._notifiers.items()
        ]

    def run(self) -> None:
        """Run until `stopping` is set; then finish the posts in hand, commit and leave."""
        for loop in self._loops:
            loop.start()
        self.stopping.wait()
        for loop in self._loops:
            loop.join(_STOP_SECONDS)
        for notifier in self._notifiers.values():
            notifier.close()

    def lags(self) -> dict[str, dict[Partition, int]]:
        """Return how many records each loop has yet to post, by group and partition."""
        return {loop.name: loop.lags() for loop in self._loops}

    def health(self) -> dict[str, object]:
        """Return whether every loop has its partitions, and which receivers take nothing."""
        assigned = {loop.name: loop.assigned for loop in self._loops}
        told = {agent.name: each.notice for agent, each in self._notifiers.items()}
        return {
            "ready": None not in assigned.values(),
            "assignment": assigned,
            "notices": {name: notice for name, notice in told.items() if notice is not None},
        }


def _agents() -> dict[Agent[Any], WebhookSettings]:
    agents = chosen_agents()
    if not agents:
        names = " or ".join(f"{agent.setting_prefix}URL" for agent in AGENTS)
        raise SettingsError({names: "none is set, so there is nobody to tell: set one, or stop"})
    return agents


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = read_settings(NotificationsSettings)
    try:
        agents = _agents()
    except SettingsError as error:
        end_as_wrongly_used(error)
    set_up_logs(settings.log_level)
    # It logs each address, which may be a secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # Where processors are scarce, billing goes first.
    os.nice(_NICENESS)
    notifications = Notifications(settings, agents)
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: notifications.stopping.set())
    pages = Pages(
        settings.notifications_name,
        notifications.health,
        lambda: [lag_gauge(notifications.lags())],
    )
    serve_pages(settings.health_address, pages)
    _log.info("notifications_start", agents=[agent.name for agent in agents])
    notifications.run()


if __name__ == "__main__":
    main()
