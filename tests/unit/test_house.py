"""The house as it should be: who may import whom, how long things are, what must not lie about."""

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "connectors",
    "infra",
    "operations",
    "producer_app",
    "schemas",
    "stream_processors",
)
FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
STANDARD_LIBRARY_OF_RULES = {
    "__future__",
    "collections",
    "dataclasses",
    "datetime",
    "json",
    "typing",
    "uuid",
}


@cache
def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", *patterns],  # noqa: S607 - git of the PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in tracked(f"{folder}/*.py")]


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file imports, also inside functions and for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            found.add(node.module or "")
    return frozenset(found)


def importers(module: str, *folders: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in modules(*folders)
        if any(name == module or name.startswith(f"{module}.") for name in imports(path))
    }


def test_the_billing_rules_import_nothing_but_the_standard_library_and_the_records() -> None:
    for path in modules("stream_processors/billing"):
        for name in imports(path):
            allowed = (
                name == "schemas.records"
                or name.startswith("stream_processors.billing")
                or name.partition(".")[0] in STANDARD_LIBRARY_OF_RULES
            )
            assert allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("schemas", ("connectors", "infra", "operations", "producer_app", "stream_processors")),
        ("producer_app", ("connectors", "infra", "operations", "stream_processors")),
        ("stream_processors", ("connectors", "infra", "operations", "producer_app")),
        ("connectors", ("infra", "operations", "producer_app", "stream_processors")),
        ("stream_processors/billing", ("stream_processors.agents", "stream_processors.engine")),
        ("stream_processors/engine", ("stream_processors.agents", "stream_processors.ledger")),
        ("stream_processors/agents", ("stream_processors.ledger",)),
        ("stream_processors/ledger", ("stream_processors.agents",)),
        # What is best effort is nobody's business but its own.
        ("stream_processors/billing", ("stream_processors.notifications",)),
        ("stream_processors/agents", ("stream_processors.notifications",)),
        ("stream_processors/engine", ("stream_processors.notifications",)),
        ("stream_processors/ledger", ("stream_processors.notifications",)),
        # The independent statements of the rules.
        ("operations/reconcile", ("stream_processors.billing",)),
        ("operations/demo", ("stream_processors.billing",)),
    ],
)
def test_dependencies_point_inward(folder: str, forbidden: tuple[str, ...]) -> None:
    offenders = {name: importers(name, folder) for name in forbidden}
    assert not any(offenders.values()), offenders


def test_each_client_library_is_known_in_one_place() -> None:
    assert importers("fastavro", *PACKAGES) == {"schemas/codec.py"}
    assert importers("httpx", "connectors") == {"connectors/client.py"}
    # An extra: whoever imports the one module that does has looked whether it is wanted.
    assert importers("opentelemetry", *PACKAGES) == {"stream_processors/engine/span_export.py"}
    assert importers("stream_processors.engine.span_export", *PACKAGES) == {
        "stream_processors/engine/tracing.py"
    }
    # The demo drives the application; the console keeps its connections in a pool of it.
    users = ("producer_app/", "operations/demo/", "operations/console/services.py")
    assert all(path.startswith(users) for path in importers("sqlalchemy", *PACKAGES))
    outside_the_engine = {path for path in importers("faust", *PACKAGES) if "/engine/" not in path}
    assert outside_the_engine == {"stream_processors/worker.py"}


def test_files_and_functions_stay_short() -> None:
    for path in modules(*PACKAGES, "tests"):
        source = path.read_text()
        lines = source.count("\n")
        assert lines <= FILE_LINES_MAX, f"{path.relative_to(ROOT)} has {lines} lines"
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                assert length <= FUNCTION_LINES_MAX, f"{path}: {node.name} has {length} lines"


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "helpers", "common", "misc"}
    assert [path for path in modules(*PACKAGES, "tests") if path.stem in drawers] == []


def test_lock_files_hold_hashes_and_no_addresses() -> None:
    for path in tracked("*.lock"):
        text = path.read_text()
        assert "://" not in text, f"{path.name} names an address"
        assert "sha256" in text or all(
            len(line.split()[-1]) == 64 for line in text.splitlines() if line and line[0] != "#"
        ), f"{path.name} has no hashes"


def test_the_test_that_reads_imports_sees_one_that_is_forbidden(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("def late() -> None:\n    from stream_processors.billing import facts\n")
    assert imports(module) == {"stream_processors.billing"}
