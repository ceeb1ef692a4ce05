"""The `outbox` command. Verbs are imported when they are called, so that help is quick."""

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import click
from click.shell_completion import CompletionItem

from operations.command_line import Group

DISTRIBUTION = "billing-outbox"


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb is defined and what `outbox --help` says of it."""

    module: str
    attribute: str
    summary: str


VERBS = {
    "up": Verb("operations.stack", "up", "Start the local stack and wait until it is healthy."),
    "down": Verb("operations.stack", "down", "Stop everything of the local stack."),
    "status": Verb("operations.status", "status", "Show each process of the local stack."),
    "env": Verb("operations.stack", "env", "Print how to reach the local stack, as JSON."),
    "demo": Verb("operations.demo", "demo", "Drive sessions through it, and check every bill."),
    "connectors": Verb(
        "operations.connectors", "connectors", "Plan, apply and steer the connectors."
    ),
    "history": Verb("operations.history", "history", "Show what became of each event."),
    "events": Verb("operations.events", "events", "Follow events as they come, and their bills."),
    "exceptions": Verb(
        "operations.exceptions", "exceptions", "List, retry and decide what could not be billed."
    ),
    "ledger": Verb("operations.ledger", "ledger", "List, reverse, correct and verify entries."),
    "reconcile": Verb(
        "operations.reconcile", "reconcile", "Compare the ledger with what the events say."
    ),
    "maintain": Verb(
        "operations.maintain",
        "maintain",
        "Make the days ahead, drop the old ones, seal the ledger.",
    ),
    "rebuild": Verb("operations.rebuild", "rebuild", "Make the state tables anew from the events."),
    "replay": Verb("operations.replay.command", "replay", "Send chosen events to Kafka again."),
    "console": Verb(
        "operations.console.command", "console", "Say where the console is, and who may use it."
    ),
    "setup": Verb(
        "operations.setup", "setup", "Make database, topics and rights on servers of others."
    ),
    "doctor": Verb(
        "operations.doctor", "doctor", "Say what is wrong, and the command that mends it."
    ),
    "completion": Verb(
        "operations.completion", "completion", "Print the completion script of a shell."
    ),
    "help": Verb("operations.help", "help_verb", "Print the help of a verb."),
}


class LazyGroup(Group):
    """A group whose verbs are imported only when one of them is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which they are used."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the verb."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command = getattr(import_module(verb.module), verb.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{verb.module}.{verb.attribute} is no click command")
        return command

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return each verb with what it does, without importing any."""
        return [(name, verb.summary) for name, verb in VERBS.items()]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a verb without importing any, or an option."""
        verbs = [
            CompletionItem(name, help=verb.summary)
            for name, verb in VERBS.items()
            if name.startswith(incomplete)
        ]
        return verbs or click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> object:
        """Turn what a verb raises into a message and an exit code.

        Whoever reads may leave before the end (`| head`): click ends the verb then, without a word.
        """
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            from operations.failures import explain  # noqa: PLC0415 - only when something failed

            failure = explain(error)
            if failure is None:
                raise
            raise failure from error


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "not installed"


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=("outbox up", "outbox history --contract c-17", "outbox help exceptions retry"),
)
@click.version_option(_version(), prog_name="outbox")
def main() -> None:
    """Run a transactional outbox that bills, and see, retry and check what it does.

    Data goes to standard output, everything else to standard error. Exit codes: 0 fine, 1 it
    found a problem, 2 wrong usage, 3 a service cannot be reached.
    """


if __name__ == "__main__":
    main()
