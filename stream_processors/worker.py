"""The stream processors as a process: `python -m stream_processors.worker`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust
import structlog

from schemas import topics
from stream_processors.agents.packages import PackagesAgent
from stream_processors.agents.sessions import SessionsAgent
from stream_processors.agents.until import UntilAgent
from stream_processors.engine.application import add_agent, make_application
from stream_processors.engine.changelog import Changelog
from stream_processors.engine.deaths import DeathJournal
from stream_processors.engine.fact_table import FactTable
from stream_processors.engine.health import Pages, serve_pages
from stream_processors.engine.logs import set_up_logs
from stream_processors.engine.outbound import Outbound
from stream_processors.engine.processing import Processor
from stream_processors.engine.progress import Progress
from stream_processors.engine.tracing import tracer_from_environment
from stream_processors.groups import PROCESSORS_GROUP, PROCESSORS_READ
from stream_processors.settings import WorkerSettings, read_settings
from stream_processors.written_topics import written_topics

if TYPE_CHECKING:
    from schemas.topics import Topic
    from stream_processors.engine.processing import Agent
    from stream_processors.engine.tracing import Tracer

_log = structlog.get_logger(__name__)


def build_worker(settings: WorkerSettings, tracer: Tracer | None = None) -> faust.App:
    """Wire the agents, their tables and the way out into a Faust application."""
    written = written_topics(settings.application_id)
    read = [written[name].name if name in written else name for name in PROCESSORS_READ]
    progress = Progress(settings.application_id, read)
    application = make_application(
        application_id=settings.application_id,
        brokers=settings.brokers,
        worker_name=settings.worker_name,
        directory=settings.state_directory,
        progress=progress,
    )
    own_names = {topic.name: topic.name for topic in written.values()}
    names = {name: topic.name for name, topic in written.items()} | own_names
    kafka = settings.brokers.client
    outbound = Outbound(kafka, names)
    journal = DeathJournal(settings.state_directory)

    def add(agent: Agent, source: Topic, changelog: Topic, table_name: str) -> None:
        source, changelog = written.get(source.name, source), written[changelog.name]
        log = Changelog(changelog.name, source.name, settings.application_id, kafka)
        table = FactTable(table_name, log, settings.state_directory)
        processor = Processor(agent, table, outbound, journal, tracer)
        add_agent(application, source.name, processor, progress)

    add(_sessions(settings), topics.EVENTS_SESSION, topics.SESSION_FACTS_CHANGELOG, "session_facts")
    add(PackagesAgent(), topics.PACKAGE_SESSIONS, topics.PACKAGE_FACTS_CHANGELOG, "package_facts")
    _follow_assignments(application, progress)
    pages = Pages(settings.worker_name, progress.health, progress.gauges)
    serve_pages(settings.health_address, pages)
    return application


def _sessions(settings: WorkerSettings) -> Agent:
    agent = SessionsAgent()
    return agent if settings.events_until is None else UntilAgent(agent, settings.events_until)


def _follow_assignments(application: faust.App, progress: Progress) -> None:
    """Be ready while partitions are assigned and their state is whole.

    To be connected after the agents: Faust calls the receivers of a signal in this order, each
    once the one before has finished.
    """

    @application.on_partitions_revoked.connect
    async def revoked(_: Any, revoked: Any, **__: Any) -> None:
        del revoked
        progress.revoked()

    @application.on_partitions_assigned.connect
    async def assigned(_: Any, assigned: Any, **__: Any) -> None:
        progress.assigned((partition.topic, partition.partition) for partition in assigned)


def main() -> None:
    """Run until SIGTERM, which finishes the batch in hand, commits and leaves."""
    settings = read_settings(WorkerSettings)
    settings.state_directory.mkdir(parents=True, exist_ok=True)
    set_up_logs(settings.log_level)
    # On trial it processes again what was long ago: that is no part of those traces.
    on_trial = settings.application_id != PROCESSORS_GROUP
    tracer = None if on_trial else tracer_from_environment("worker")
    application = build_worker(settings, tracer)
    _log.info("worker_starts", worker=settings.worker_name)
    worker = faust.Worker(
        application,
        # At "warn" Faust keeps a spinner that sets the root logger to DEBUG.
        loglevel="info",
        redirect_stdouts=False,
        override_logging=False,
        quiet=True,
    )
    # Its end is a control sequence in the log, terminal or not.
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    finally:
        if tracer is not None:
            tracer.close()


if __name__ == "__main__":
    main()
