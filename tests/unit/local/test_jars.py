from pathlib import Path

import pytest

from infra.local.jars import missing_jars, remove_strays
from infra.local.jars_lock import LOCK, LockedJar, lock_text, read_lock

JAR = LockedJar("kafka", "org.example", "some-library", "1.2", "ab" * 32, 4)


def test_the_lock_names_each_jar_once_with_a_whole_hash() -> None:
    jars = read_lock(LOCK.read_text())
    assert len(jars) > 50
    assert len({jar.relative_path for jar in jars}) == len(jars)
    assert all(len(jar.sha256) == 64 and jar.size_bytes > 0 for jar in jars)


def test_the_lock_is_written_as_it_is_read() -> None:
    assert lock_text(read_lock(LOCK.read_text())) == LOCK.read_text()


def test_the_lock_names_no_address() -> None:
    assert "//" not in LOCK.read_text()


def test_debezium_is_not_a_version_that_loses_events() -> None:
    (debezium,) = (
        jar for jar in read_lock(LOCK.read_text()) if jar.artifact == "debezium-connector-postgres"
    )
    assert tuple(map(int, debezium.version.split(".")[:2])) >= (3, 7)


def test_the_connector_brings_nothing_that_kafka_has() -> None:
    jars = read_lock(LOCK.read_text())
    kafka = {(jar.group, jar.artifact) for jar in jars if jar.class_path == "kafka"}
    connector = {(jar.group, jar.artifact) for jar in jars if jar.class_path != "kafka"}
    assert connector
    assert not kafka & connector


def test_a_line_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="unpack"):
        read_lock("kafka org.example:some-library 1.2\n")


def test_a_jar_lies_where_maven_keeps_it() -> None:
    assert JAR.repository_path == "org/example/some-library/1.2/some-library-1.2.jar"


def test_a_jar_of_another_size_counts_as_missing(tmp_path: Path) -> None:
    path = tmp_path / JAR.relative_path
    assert missing_jars([JAR], tmp_path) == [JAR]
    path.parent.mkdir()
    path.write_bytes(b"abc")
    assert missing_jars([JAR], tmp_path) == [JAR]
    path.write_bytes(b"abcd")
    assert missing_jars([JAR], tmp_path) == []


def test_a_jar_that_the_lock_does_not_name_is_removed(tmp_path: Path) -> None:
    kept, stray = tmp_path / JAR.relative_path, tmp_path / "kafka" / "some-library-1.1.jar"
    kept.parent.mkdir()
    kept.touch()
    stray.touch()
    remove_strays([JAR], tmp_path)
    assert kept.exists()
    assert not stray.exists()
