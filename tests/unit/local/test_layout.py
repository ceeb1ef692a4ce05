from pathlib import Path

import pytest

from infra.local.errors import StackError
from infra.local.layout import DEFAULT_PORT_BASE, Layout, layout_from_environment, project_directory
from infra.local.programs import stack_endpoints


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUTBOX_HOME", raising=False)
    monkeypatch.delenv("OUTBOX_PORT_BASE", raising=False)


def test_without_settings_it_lies_in_the_project() -> None:
    assert layout_from_environment() == Layout(project_directory() / ".outbox", DEFAULT_PORT_BASE)


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTBOX_HOME", "somewhere else")
    assert layout_from_environment().home == tmp_path / "somewhere else"


@pytest.mark.parametrize("character", list("\"'\\;#,:{}%$\n"))
def test_a_home_that_a_configuration_file_could_not_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    monkeypatch.setenv("OUTBOX_HOME", f"/srv/a{character}b")
    with pytest.raises(StackError, match=r"OUTBOX_HOME is .* Set OUTBOX_HOME to another folder"):
        layout_from_environment()


@pytest.mark.parametrize("base", ["zero", "0", "1023", "65500", "-1", "25400.5", "²"])
def test_a_port_base_that_is_no_usable_port_is_refused(
    monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.setenv("OUTBOX_PORT_BASE", base)
    with pytest.raises(StackError, match="must be a number from 1024 to"):
        layout_from_environment()


def test_no_two_processes_share_a_port() -> None:
    layout = Layout(Path("/srv/outbox"), 30000)
    ports = [endpoint.port for endpoint in stack_endpoints(layout, 50)]
    ports += [layout.controller_port, layout.supervisor_port, layout.notifications_port]
    assert len(set(ports)) == len(ports)
    assert max(ports) < 30000 + 64


def test_notifications_belong_to_the_stack_only_where_the_last_start_was_told_of_them(
    tmp_path: Path,
) -> None:
    layout = Layout(tmp_path, 30000)
    assert "notifications" not in [endpoint.name for endpoint in stack_endpoints(layout, 1)]
    layout.notifications.write_text("signup\n")
    [*_, last] = stack_endpoints(layout, 1)
    assert (last.name, last.port) == ("notifications", 30006)
