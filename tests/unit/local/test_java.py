from pathlib import Path

import pytest

from infra.local.errors import StackError
from infra.local.java import java_executable
from infra.local.java_cache import cache_file, cached_command, training_command
from infra.local.programs import JavaProgram

PROGRAM = JavaProgram("kafka", "kafka.Kafka", ["-Xmx320m"])


@pytest.fixture(autouse=True)
def own_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)


def make_cache(jars: Path) -> Path:
    cache = cache_file(jars, PROGRAM)
    cache.parent.mkdir(parents=True)
    cache.touch()
    return cache


def test_without_java_home_java_comes_from_the_installed_packages() -> None:
    assert java_executable().name == "java"
    assert java_executable().is_file()


def test_java_home_is_used_where_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch(mode=0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java_executable() == java


def test_a_java_home_without_java_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(StackError, match="Correct or unset it"):
        java_executable()


def test_a_cache_is_used_once_there_is_one(tmp_path: Path) -> None:
    assert not any("AOT" in word for word in cached_command(tmp_path, PROGRAM, []))
    cache = make_cache(tmp_path)
    assert f"-XX:AOTCache={cache}" in cached_command(tmp_path, PROGRAM, ["its.properties"])


def test_a_cache_of_our_java_is_not_given_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cache(tmp_path)
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch(mode=0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert not any("AOT" in word for word in cached_command(tmp_path, PROGRAM, []))


def test_other_options_have_another_cache(tmp_path: Path) -> None:
    other = JavaProgram("kafka", "kafka.Kafka", ["-Xmx512m"])
    assert cache_file(tmp_path, other) != cache_file(tmp_path, PROGRAM)


def test_a_cache_is_learned_with_the_options_it_is_used_with(tmp_path: Path) -> None:
    learned = training_command(tmp_path, PROGRAM, ["p"], tmp_path / "new.aot")
    make_cache(tmp_path)
    used = cached_command(tmp_path, PROGRAM, ["p"])
    difference = set(learned) ^ set(used)
    assert all(word.startswith("-XX:AOTCache") for word in difference)
    assert len(difference) == 2
