"""The verbs as Markdown, read from the commands themselves."""

from collections.abc import Iterator
from inspect import cleandoc

import click

from operations.command_line import Command


def leaves(ctx: click.Context) -> Iterator[click.Context]:
    """Yield a context for each command below this one, in the order in which help lists them."""
    command = ctx.command
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(ctx):
        verb = command.get_command(ctx, name)
        if verb is not None:
            below = click.Context(verb, info_name=name, parent=ctx)
            yield below
            yield from leaves(below)


def section(ctx: click.Context) -> str:
    """Return synopsis, description, options and examples of one command."""
    command = ctx.command
    depth = ctx.command_path.count(" ") + 1
    synopsis = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    parts = [f"{'#' * depth} {ctx.command_path}", f"    {synopsis}"]
    parts.append(cleandoc(command.help or ""))
    records = [parameter.get_help_record(ctx) for parameter in command.params]
    options = [_row(*record) for record in records if record is not None]
    if options:
        parts.append("\n".join(["| option | |", "|---|---|", *options]))
    if isinstance(command, Command) and command.examples:
        parts.append("\n".join(f"    {example}" for example in command.examples))
    return "\n\n".join(parts)


def _row(option: str, text: str) -> str:
    return f"| `{_cell(option)}` | {_cell(' '.join(text.split()))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
