"""`outbox completion`: the script that lets a shell complete verbs, options and choices."""

import click
from click.shell_completion import get_completion_class

from operations.command_line import Command

PROGRAM = "outbox"
COMPLETE_VARIABLE = "_OUTBOX_COMPLETE"
"""By this variable click knows, before anything else, that a shell asks for completions."""
SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Command,
    examples=(
        "outbox completion bash > ~/.local/share/bash-completion/completions/outbox",
        "outbox completion zsh > ~/.zfunc/_outbox",
        "outbox completion fish > ~/.config/fish/completions/outbox.fish",
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete verbs, options and their values.

    The shell reads it when it starts. Nothing but the command line itself is asked for
    completions: no service, so that it never waits for one that is down.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell}.")
    script = kind(ctx.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE)
    click.echo(script.source())
