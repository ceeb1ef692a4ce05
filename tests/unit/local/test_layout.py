from pathlib import Path

import pytest

from infra.local.errors import StackError
from infra.local.layout import (
    DEFAULT_PORT_BASE,
    Layout,
    layout_from_environment,
    numbers,
    project_directory,
)
from infra.local.programs import stack_endpoints
from infra.local.shape import (
    MAXIMUM_BROKERS,
    MAXIMUM_CONNECT_WORKERS,
    MAXIMUM_WORKERS,
    Shape,
    keep_shape,
)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUTBOX_HOME", raising=False)
    monkeypatch.delenv("OUTBOX_PORT_BASE", raising=False)


def test_without_settings_it_lies_in_the_project() -> None:
    layout = layout_from_environment()
    assert (layout.home, layout.port_base) == (project_directory() / ".outbox", DEFAULT_PORT_BASE)


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
    layout = Layout(Path("/srv/outbox"), 30000, MAXIMUM_BROKERS, MAXIMUM_CONNECT_WORKERS)
    ports = [endpoint.port for endpoint in stack_endpoints(layout, MAXIMUM_WORKERS)]
    ports += [layout.controller_port(number) for number in numbers(MAXIMUM_BROKERS)]
    ports += [layout.supervisor_port, layout.notifications_port]
    assert len(set(ports)) == len(ports)
    assert max(ports) < 30000 + 60


def test_the_first_of_a_kind_keeps_its_name_and_its_port_whatever_others_there_are() -> None:
    def processes(layout: Layout) -> dict[str, int]:
        return {endpoint.name: endpoint.port for endpoint in stack_endpoints(layout, 1)}

    alone = processes(Layout(Path("/srv/outbox"), 30000))
    many = processes(Layout(Path("/srv/outbox"), 30000, broker_count=3, connect_worker_count=2))
    assert alone.items() <= many.items()
    assert sorted(many.keys() - alone.keys()) == ["connect-2", "kafka-2", "kafka-3"]


def test_addresses_name_all_brokers_and_all_connect_workers() -> None:
    layout = Layout(Path("/srv/outbox"), 30000, broker_count=3, connect_worker_count=2)
    assert layout.kafka_bootstrap_servers == "127.0.0.1:30001,127.0.0.1:30050,127.0.0.1:30052"
    assert layout.connect_url == "http://127.0.0.1:30003,http://127.0.0.1:30058"


def test_a_command_finds_the_brokers_and_connect_workers_that_the_last_start_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OUTBOX_HOME", str(tmp_path))
    keep_shape(tmp_path, Shape(brokers=3, connect_workers=2, workers=4))
    assert layout_from_environment() == Layout(tmp_path, DEFAULT_PORT_BASE, 3, 2)


def test_notifications_belong_to_the_stack_only_where_the_last_start_was_told_of_them(
    tmp_path: Path,
) -> None:
    layout = Layout(tmp_path, 30000)
    assert "notifications" not in [endpoint.name for endpoint in stack_endpoints(layout, 1)]
    layout.notifications.write_text("signup\n")
    [*_, last] = stack_endpoints(layout, 1)
    assert (last.name, last.port) == ("notifications", 30006)
