"""Every verb has help with examples that can be typed, and the reference is as the verbs are."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from operations.command_line import Command
from operations.main import main
from operations.reference.document import PATH, reference
from operations.reference.variables import SETTINGS
from operations.reference.verbs import leaves
from tests.unit.test_house import PACKAGES, modules

COLUMNS = 80
ROOT = click.Context(main, info_name="outbox")
VERBS = {ctx.command_path: ctx for ctx in leaves(ROOT)}
ID = "0197c2b4-5d1e-7a30-9f00-2b8c4d6e1f35"
PLACEHOLDERS = {"ID": ID, "EVENT": ID, "12:HASH": f"12:{'0' * 64}"}
# What the stack marks its processes with; nobody sets them.
MARKS = {"OUTBOX_SUPERVISED_HOME", "OUTBOX_SUPERVISED_PROCESS"}


def examples(ctx: click.Context) -> tuple[str, ...]:
    return ctx.command.examples if isinstance(ctx.command, Command) else ()


def arguments_of(example: str) -> list[str]:
    """The words after `outbox`, up to where the shell's own syntax begins."""
    lexer = shlex.shlex(example, posix=True, punctuation_chars="|><")
    lexer.whitespace_split = True
    words = list(lexer)
    begin = words.index("outbox") + 1
    ends = [i for i, word in enumerate(words) if word in {"|", ">", "<"}]
    return [PLACEHOLDERS.get(word, word) for word in words[begin : min([*ends, len(words)])]]


def parse(example: str) -> click.Context:
    """Let click parse an example down to its last verb, without running it; UsageError if wrong."""
    ctx = main.make_context("outbox", arguments_of(example))
    while isinstance(ctx.command, click.Group):
        words = [*ctx._protected_args, *ctx.args]
        name, command, rest = ctx.command.resolve_command(ctx, words)
        assert command is not None
        ctx = command.make_context(name, rest, parent=ctx)
    return ctx


def every_example() -> Iterator[tuple[str, str]]:
    yield from (("outbox", example) for example in examples(ROOT))
    for path, ctx in VERBS.items():
        yield from ((path, example) for example in examples(ctx))


@pytest.mark.parametrize("path", VERBS)
def test_the_help_of_every_verb_ends_with_examples_of_it_and_is_readable(path: str) -> None:
    assert examples(VERBS[path]), f"{path} has no examples: give its command examples=(…)"
    help_text = CliRunner().invoke(main, [*path.split()[1:], "--help"]).output
    assert help_text.rstrip().endswith(examples(VERBS[path])[-1])
    assert [line for line in help_text.splitlines() if len(line) > COLUMNS] == []


@pytest.mark.parametrize(("path", "example"), tuple(every_example()))
def test_every_example_can_be_typed_as_it_stands(
    path: str, example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "value.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    with parse(example) as ctx:
        assert f"{ctx.command_path} ".startswith(f"{path} ")


@pytest.mark.parametrize("example", ["outbox status --wach", "outbox ledger lst", "outbox up x"])
def test_an_example_that_is_wrong_is_noticed(example: str) -> None:
    with pytest.raises(click.UsageError):
        parse(example)


def test_every_option_says_what_it_does() -> None:
    silent = [
        f"{path} {parameter.opts[0]}"
        for path, ctx in VERBS.items()
        for parameter in ctx.command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert silent == []


def test_the_reference_is_as_the_commands_are() -> None:
    assert PATH.read_text() == reference(), "run `python -m operations.reference`"


def settings_classes() -> set[str]:
    """Every class of the code that reads settings from the environment, by name."""
    found = {"BaseSettings"}
    classes = [
        (node.name, {base.id for base in node.bases if isinstance(base, ast.Name)})
        for path in modules(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    while more := {name for name, bases in classes if bases & found} - found:
        found |= more
    return found - {"BaseSettings"}


def test_every_class_of_settings_is_in_the_reference_and_explains_each_of_its_fields() -> None:
    assert {settings.__name__ for _, settings in SETTINGS} == settings_classes()
    unexplained = [
        f"{settings.__name__}.{name}"
        for _, settings in SETTINGS
        for name, field in settings.model_fields.items()
        if not field.description
    ]
    assert unexplained == []


def test_every_environment_variable_that_the_code_names_is_in_the_reference() -> None:
    named = {
        node.value
        for path in modules(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch("OUTBOX(_[A-Z]+)+", node.value)
    }
    page = reference()
    assert {name for name in named - MARKS if f"`{name}`" not in page} == set()
