"""The verb: look at everything, one line each, and exit by the worst of them."""

from dataclasses import asdict

import click

from infra.local.layout import layout_from_environment
from operations.command_line import Command
from operations.doctor.examination import Report, examine
from operations.doctor.finding import Level
from operations.failures import PROBLEM, UNREACHABLE
from operations.output import output_option, print_table_or_json, say
from operations.settings import load_settings

_BOTH = {"postgres", "kafka"}


@click.command(
    cls=Command,
    examples=(
        "outbox doctor",
        "outbox doctor --output json",
    ),
)
@output_option
@click.pass_context
def doctor(ctx: click.Context, output: str) -> None:
    """Look at everything, and say what is wrong and which command mends it. Changes nothing.

    Each line is ok, a warning (may hurt later) or a fault (loses, delays or endangers something
    now). Exit code 0 without a fault, 1 with one, 3 if neither PostgreSQL nor Kafka answers.
    """
    report = examine(load_settings(), layout_from_environment())
    rows = [asdict(finding) for finding in report.findings]
    print_table_or_json(rows, output, ("check", "level", "finding", "remedy"))
    counts = {level: _count(report, level) for level in Level}
    say(", ".join(f"{level}: {counts[level]}" for level in reversed(Level)))
    if report.unreachable >= _BOTH:
        ctx.exit(UNREACHABLE)
    if counts[Level.FAULT]:
        ctx.exit(PROBLEM)


def _count(report: Report, level: Level) -> int:
    return sum(finding.level is level for finding in report.findings)
