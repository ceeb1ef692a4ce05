"""How many brokers and workers a stack has: bounds, what is kept, what cannot change."""

from pathlib import Path

import pytest

from infra.local.credentials import ensure_credentials
from infra.local.environment import write_environment
from infra.local.errors import StackError
from infra.local.kafka import data_directory, server_properties
from infra.local.layout import Layout
from infra.local.shape import Shape, keep_shape, known_shape, shape_file
from infra.local.stack import bring_up
from operations.settings import load_settings
from schemas.topics import Scale


def test_a_stack_that_was_never_started_has_one_of_each(tmp_path: Path) -> None:
    assert known_shape(tmp_path) == Shape(brokers=1, connect_workers=1, workers=1)


def test_what_was_asked_for_is_found_again(tmp_path: Path) -> None:
    keep_shape(tmp_path, Shape(brokers=3, connect_workers=2, workers=4))
    assert known_shape(tmp_path) == Shape(brokers=3, connect_workers=2, workers=4)


@pytest.mark.parametrize("content", ["", "[]", '{"brokers": "many"}', '{"tables": 4}'])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, content: str) -> None:
    shape_file(tmp_path).write_text(content)
    with pytest.raises(StackError, match=r"shape\.json is damaged .* delete it"):
        known_shape(tmp_path)


@pytest.mark.parametrize("brokers", [2, 4])
def test_an_even_number_of_brokers_is_refused_with_the_reason(brokers: int) -> None:
    with pytest.raises(StackError, match=r"by majority.* Choose 1, 3 or 5"):
        Shape(brokers=brokers).check()


@pytest.mark.parametrize("shape", [Shape(brokers=7), Shape(connect_workers=4), Shape(workers=41)])
def test_more_than_there_are_ports_for_is_refused(shape: Shape) -> None:
    with pytest.raises(StackError, match="cannot be had: choose from 1 to"):
        shape.check()


@pytest.mark.parametrize(("had", "wanted"), [(1, 3), (3, 1), (5, 3)])
def test_another_number_of_brokers_is_refused_where_there_is_data(
    tmp_path: Path, had: int, wanted: int
) -> None:
    keep_shape(tmp_path, Shape(brokers=had))
    storage = data_directory(Layout(tmp_path, 30000), 1) / "meta.properties"
    storage.parent.mkdir(parents=True)
    storage.write_text("node.id=1\n")
    with pytest.raises(StackError, match=rf"--brokers {had}; .*`outbox down --purge`"):
        bring_up(Layout(tmp_path, 30000, broker_count=wanted))
    assert known_shape(tmp_path).brokers == had, "what was refused is not kept"


def test_one_broker_has_one_copy_of_everything_and_three_brokers_three() -> None:
    def setting(brokers: int, name: str) -> str | None:
        text = server_properties(Layout(Path("/srv/outbox"), 30000, brokers), 1)
        return dict(line.split("=", 1) for line in text.splitlines()).get(name)

    assert setting(1, "default.replication.factor") == "1"
    assert setting(1, "min.insync.replicas") is None
    assert setting(1, "controller.quorum.voters") == "1@127.0.0.1:30002"
    assert setting(3, "offsets.topic.replication.factor") == "3"
    assert setting(3, "min.insync.replicas") == "2"
    voters = "1@127.0.0.1:30002,2@127.0.0.1:30051,3@127.0.0.1:30053"
    assert setting(3, "controller.quorum.voters") == voters


@pytest.mark.parametrize(
    ("brokers", "scale"), [(1, Scale()), (3, Scale(4, 3, 2)), (5, Scale(4, 3, 2))]
)
def test_every_verb_expects_the_copies_that_a_stack_of_so_many_brokers_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, brokers: int, scale: Scale
) -> None:
    monkeypatch.setenv("OUTBOX_HOME", str(tmp_path))
    layout = Layout(tmp_path, 30000, brokers)
    write_environment(layout, ensure_credentials(layout.secrets))
    assert load_settings().scale == scale
