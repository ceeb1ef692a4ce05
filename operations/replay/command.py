"""The verb: which events, checked; how it went, printed."""

from datetime import datetime
from uuid import UUID

import click

from infra.local.layout import layout_from_environment
from operations.actions import by_option
from operations.command_line import Command
from operations.instants import Instant
from operations.output import as_json, output_option, print_table, say
from operations.replay.progress import Progress
from operations.replay.running import Order, Place, replay_events
from operations.replay.selection import Selection
from operations.replay.watching import Bar
from operations.settings import load_settings
from operations.termination import interrupt_on_termination
from schemas.topics import EVENT_TOPICS


@click.command(
    cls=Command,
    examples=(
        "outbox replay --contract c-17",
        "outbox replay --since 2026-03-01 --until 2026-03-02 --dry-run",
        "outbox replay --topic events.session --partition 2 --from-offset 100",
        "outbox replay --all --dry-run",
    ),
)
@click.option(
    "--since", type=Instant(), metavar="TIME", help="Events created at this time or later."
)
@click.option("--until", type=Instant(), metavar="TIME", help="Events created before this time.")
@click.option("--contract", metavar="ID", help="A contract and all its sessions.")
@click.option("--session", metavar="ID", help="One session.")
@click.option("--package", metavar="ID", help="The sessions of a service package.")
@click.option("--mentor", metavar="ID", help="The sessions that a mentor held.")
@click.option(
    "--event",
    "events",
    metavar="EVENT",
    type=click.UUID,
    multiple=True,
    help="This event; repeatable.",
)
@click.option(
    "--topic",
    metavar="TOPIC",
    type=click.Choice(EVENT_TOPICS),
    help=f"What lies in a topic: {', '.join(EVENT_TOPICS)}.",
)
@click.option(
    "--partition", metavar="N", type=click.IntRange(min=0), help="Of the topic; default: each."
)
@click.option(
    "--from-offset", metavar="N", type=click.IntRange(min=0), help="In each partition, inclusive."
)
@click.option(
    "--to-offset", metavar="N", type=click.IntRange(min=1), help="In each partition, exclusive."
)
@click.option("--all", "everything", is_flag=True, help="Every event ever recorded.")
@click.option("--dry-run", is_flag=True, help="Say how many of what and from where; send nothing.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0.1),
    metavar="N",
    default=1000,
    show_default=True,
    help="Events a second at most, so that live traffic keeps its place.",
)
@click.option("--restart", is_flag=True, help="Begin anew where the same replay was broken off.")
@click.option("--reason", metavar="TEXT", help="Why; kept with what was done (operator_actions).")
@by_option
@output_option
def replay(  # noqa: PLR0913 - one parameter an option
    *,
    since: datetime | None,
    until: datetime | None,
    contract: str | None,
    session: str | None,
    package: str | None,
    mentor: str | None,
    events: tuple[UUID, ...],
    topic: str | None,
    partition: int | None,
    from_offset: int | None,
    to_offset: int | None,
    everything: bool,
    dry_run: bool,
    rate: float,
    restart: bool,
    reason: str | None,
    actor: str,
    output: str,
) -> None:
    """Send events again to the topic they came from, with the header `replayed`.

    Byte for byte from Kafka where the record still lies, otherwise from domain_events or its
    archive. What arrives twice is billed once, so it is safe at any time, also on live traffic.
    Broken off, the same command goes on where it was.
    """
    selection = Selection(
        since=since, until=until, contract=contract, session=session, package=package,
        mentor=mentor, events=tuple(map(str, events)), topic=topic, partition=partition,
        from_offset=from_offset, to_offset=to_offset,
    )  # fmt: skip
    _refuse(selection, everything=everything)
    order = Order(selection, rate, dry_run, restart, actor, reason)
    progress = _replayed(order)
    _print(progress, order, output)


def _refuse(chosen: Selection, *, everything: bool) -> None:
    """Raise UsageError for what cannot be meant."""
    said = set(chosen.given())
    if not said and not everything:
        raise click.UsageError(
            "Say which events: --since, --until, --contract, --session, --package, --mentor,"
            " --event, --topic, or --all."
        )
    if said and everything:
        raise click.UsageError("--all is every event: leave it out, or everything else.")
    subjects = said & {"contract", "session", "package", "mentor"}
    if len(subjects) > 1:
        raise click.UsageError("Say one of --contract, --session, --package and --mentor.")
    of_a_topic = {"topic", "partition", "from_offset", "to_offset"}
    if said & of_a_topic and "topic" not in said:
        raise click.UsageError("--partition, --from-offset and --to-offset need --topic.")
    if "topic" in said and said - of_a_topic:
        raise click.UsageError(
            "--topic chooses by place, with --partition, --from-offset and --to-offset alone."
        )
    if chosen.since is not None and chosen.until is not None and chosen.since >= chosen.until:
        raise click.UsageError("--since must be before --until.")
    if chosen.to_offset is not None and (chosen.from_offset or 0) >= chosen.to_offset:
        raise click.UsageError("--from-offset must be below --to-offset.")


def _replayed(order: Order) -> Progress:
    settings = load_settings()
    place = Place(
        settings.need("database_url"),
        settings.brokers(),
        layout_from_environment().home / "replay",
    )
    interrupt_on_termination()
    with Bar(dry_run=order.dry_run) as bar:
        try:
            return replay_events(order, place, bar)
        except BaseException:
            if bar.total and not order.dry_run:
                say(
                    f"Broken off after {bar.done} of {bar.total} events. Run the same command"
                    " again: it goes on there."
                )
            raise


def _print(progress: Progress, order: Order, output: str) -> None:
    rows = [
        {"event_type": event_type, "from": source, "events": count}
        for event_type, by_source in sorted(progress.counts.items())
        for source, count in sorted(by_source.items())
    ]
    if output == "json":
        found = {
            "selection": progress.selection,
            "dry_run": order.dry_run,
            "events": progress.sent,
            "by_type": rows,
            "left_out": progress.left_out,
        }
        click.echo(as_json(found))
    else:
        print_table(rows, ("event_type", "from", "events"))
    for reason, count in progress.left_out.items():
        say(f"Left out of the range, {count}: {reason}.")
    if order.dry_run:
        say(f"Would be sent again: {progress.sent}. Nothing was sent.")
    else:
        say(
            f"Sent again: {progress.sent}. What is billed already stays as it is:"
            " `outbox reconcile` shows it."
        )
