"""`outbox console`: where the pages are, and who may log in to them."""

import os
from pathlib import Path

import click

from infra.local.layout import layout_from_environment
from operations.command_line import Group
from operations.console.users import (
    PASSWORD_CHARACTERS_MIN,
    Role,
    User,
    UsersFileError,
    made_user,
    read_users,
    write_users,
)
from operations.failures import ProblemError
from operations.output import output_option, print_table_or_json, say
from operations.settings import load_settings

USERS_FILE = "OUTBOX_CONSOLE_USERS_FILE"
_NAME_CHARACTERS_MAX = 100

file_option = click.option(
    "--file",
    "path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The file of users. Default: {USERS_FILE}, else console-users.json in OUTBOX_HOME.",
)


@click.group(cls=Group, examples=("outbox console url", "outbox console users list"))
def console() -> None:
    """Say where the console is, and who may use it.

    The console of the local stack needs no login: it listens on loopback only. Where users are
    configured (OUTBOX_CONSOLE_USERS_FILE), everyone logs in: viewers read, operators act as well.
    """


@console.command(examples=("outbox console url",))
def url() -> None:
    """Print the address of the console that runs here."""
    click.echo(load_settings().need("console_url"))


@console.group(examples=("outbox console users add ana --role operator",))
def users() -> None:
    """Say who may log in to the console, and as what."""


@users.command("list", examples=("outbox console users list",))
@file_option
@output_option
def list_users(path: Path | None, output: str) -> None:
    """List the users and their roles."""
    found = _read(_path(path))
    rows = [{"name": user.name, "role": user.role} for user in found.values()]
    print_table_or_json(rows, output, ("name", "role"))


@users.command(
    examples=(
        "outbox console users add ana --role operator",
        "outbox console users add ana --password-stdin < password.txt",
    )
)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.VIEWER.value,
    show_default=True,
    help="A viewer reads; an operator retries, decides and restarts as well.",
)
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, not a terminal."
)
@file_option
def add(name: str, role: str, path: Path | None, *, password_stdin: bool) -> None:
    """Add a user, or give one another password or role; their sessions end with it.

    The file holds Argon2id hashes and no password.
    """
    if not name.strip() or len(name) > _NAME_CHARACTERS_MAX:
        raise click.UsageError(f"A name has 1 to {_NAME_CHARACTERS_MAX} characters.")
    password = (
        click.get_text_stream("stdin").readline().rstrip("\n")
        if password_stdin
        else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    if len(password) < PASSWORD_CHARACTERS_MIN:
        raise click.UsageError(
            f"The password has {len(password)} characters: it must have at least "
            f"{PASSWORD_CHARACTERS_MIN}. Nothing was written."
        )
    target = _path(path)
    found = _read(target) if target.exists() else {}
    found[name] = made_user(name, Role(role), password)
    write_users(target, found)
    say(
        f"{name} may log in as {role}: {target}. The console is told of this file by {USERS_FILE} "
        "and reads it at every request."
    )


@users.command(examples=("outbox console users remove ana",))
@click.argument("name")
@file_option
def remove(name: str, path: Path | None) -> None:
    """Remove a user, whose sessions end with it."""
    target = _path(path)
    found = _read(target)
    if name not in found:
        raise ProblemError(f"There is no user {name} in {target}: {', '.join(found) or 'nobody'}.")
    del found[name]
    write_users(target, found)
    say(f"{name} may not log in any more.")


def _path(path: Path | None) -> Path:
    configured = os.environ.get(USERS_FILE)
    if path is not None:
        return path
    return Path(configured) if configured else layout_from_environment().home / "console-users.json"


def _read(path: Path) -> dict[str, User]:
    try:
        return read_users(path)
    except UsersFileError as error:
        raise ProblemError(str(error)) from error
