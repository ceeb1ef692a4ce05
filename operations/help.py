"""`outbox help`: the help of a verb, for those who type it so."""

import click
from click.shell_completion import CompletionItem

from operations.command_line import Command


def _verbs(
    ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    found = _find(ctx.find_root(), ctx.params.get("names") or ())
    return found.command.shell_complete(found, incomplete)


def _find(root: click.Context, names: tuple[str, ...]) -> click.Context:
    """Return the context of a verb, by its names from the top; UsageError where there is none."""
    found = root
    for name in names:
        command = found.command
        if not isinstance(command, click.Group):
            raise click.UsageError(f"{found.command_path} has no verbs of its own.")
        _, verb, _ = command.resolve_command(found, [name])
        if verb is None:
            raise click.UsageError(f"{found.command_path} has no verb {name!r}.")
        found = click.Context(verb, info_name=name, parent=found)
    return found


@click.command(
    "help", cls=Command, examples=("outbox help reconcile", "outbox help exceptions retry")
)
@click.argument("names", metavar="[VERB]...", nargs=-1, shell_complete=_verbs)
@click.pass_context
def help_verb(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Print the help of a verb, as its --help does; of all of them without one."""
    click.echo(_find(ctx.find_root(), names).get_help())
