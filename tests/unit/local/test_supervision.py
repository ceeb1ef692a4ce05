import shlex
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from supervisor.options import ServerOptions

from infra.local.layout import Layout
from infra.local.programs import Program
from infra.local.restarts import LONGEST_WAIT_SECONDS, _keep_short
from infra.local.supervision import supervisord_configuration

AWKWARD = Program(
    name="awkward",
    command=["/srv/a folder/java", "-Dformat=%d 100%", "*", "it's", 'say "so"'],
    environment={"OUTBOX_URL": "postgresql://role:p%40ss@127.0.0.1:1/outbox"},
    stop_signal="INT",
    stop_seconds=7,
)


def parsed(tmp_path: Path, program: Program) -> ServerOptions:
    """The configuration as supervisord itself understands it."""
    layout = Layout(tmp_path / "a home", 30000)
    for folder in (layout.logs, layout.supervisor):
        folder.mkdir(parents=True)
    path = tmp_path / "supervisord.conf"
    path.write_text(supervisord_configuration(layout, "pass%word", [program]))
    options = ServerOptions()
    options.realize(["-c", str(path), "-n"], doc="")
    return options


def test_supervisord_reads_a_command_as_it_was_given(tmp_path: Path) -> None:
    (group,) = parsed(tmp_path, AWKWARD).process_group_configs
    (process,) = group.process_configs
    assert shlex.split(process.command) == list(AWKWARD.command)
    assert process.environment["OUTBOX_URL"] == AWKWARD.environment["OUTBOX_URL"]
    assert process.environment["OUTBOX_SUPERVISED_PROCESS"] == "awkward"
    assert process.stopwaitsecs == 7
    assert process.stopsignal.name == "SIGINT"


def test_what_dies_is_always_restarted_and_never_given_up(tmp_path: Path) -> None:
    (group,) = parsed(tmp_path, AWKWARD).process_group_configs
    (process,) = group.process_configs
    assert process.autorestart.__name__ == "RestartUnconditionally"
    assert process.startretries >= 1_000_000


def test_supervisord_listens_on_loopback_with_a_password(tmp_path: Path) -> None:
    (server,) = parsed(tmp_path, AWKWARD).server_configs
    assert (server["host"], server["port"]) == ("127.0.0.1", 30004)
    assert server["password"] == "pass%word"


@pytest.mark.parametrize("failures", [1, 3, 4, 1000])
def test_the_wait_before_a_restart_never_grows_long(failures: int) -> None:
    process = SimpleNamespace(backoff=failures, delay=time.time() + failures)
    _keep_short(SimpleNamespace(process=process))
    assert process.delay - time.time() <= LONGEST_WAIT_SECONDS
    assert process.backoff == min(failures, LONGEST_WAIT_SECONDS)
