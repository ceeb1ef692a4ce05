"""The `outbox` command. Verbs are imported when they are called, so that help is quick."""

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import click

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
    "status": Verb("operations.stack", "status", "Show each process of the local stack."),
    "env": Verb("operations.stack", "env", "Print how to reach the local stack, as JSON."),
    "demo": Verb("operations.demo", "demo", "Drive sessions through it, and check every bill."),
    "connectors": Verb(
        "operations.connectors", "connectors", "Plan, apply and steer the connectors."
    ),
    "history": Verb("operations.history", "history", "Show what became of each event."),
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
    "doctor": Verb(
        "operations.doctor", "doctor", "Say what is wrong, and the command that mends it."
    ),
}


class LazyGroup(click.Group):
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Return the list of verbs, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Turn what a verb raises into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
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


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="outbox")
def main() -> None:
    """Run a transactional outbox that bills, and see, retry and check what it does.

    Data goes to standard output, everything else to standard error. Exit codes: 0 fine, 1 it
    found a problem, 2 wrong usage, 3 a service cannot be reached.
    """


if __name__ == "__main__":
    main()
