"""Write jars.lock: what Kafka, Connect and Debezium need, resolved by jgo (`make lock`)."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import Dependency, MavenContext, PythonResolver

from infra.local.jars_lock import LOCK, LockedJar, lock_text

KAFKA_VERSION = "4.3.1"
DEBEZIUM_VERSION = "3.7.0.Final"  # 3.6.1 and before lose events in two known cases

ROOTS = {
    "kafka": (
        f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
        f"org.apache.kafka:connect-runtime:{KAFKA_VERSION}",
        f"org.apache.kafka:connect-json:{KAFKA_VERSION}",
        f"org.apache.kafka:connect-transforms:{KAFKA_VERSION}",
        "org.slf4j:slf4j-simple:1.7.36",
    ),
    "plugins/debezium-connector-postgres": (
        f"io.debezium:debezium-connector-postgres:{DEBEZIUM_VERSION}",
    ),
}


def _resolve(context: MavenContext, roots: Iterable[str]) -> Iterator[Dependency]:
    """Return the roots and whatever they need at run time."""
    wanted = []
    for coordinate in roots:
        group, artifact, version = coordinate.split(":")
        wanted.append(Dependency(context.project(group, artifact).at_version(version).artifact()))
    inputs, transitive = PythonResolver().resolve(wanted)
    for dependency in [*inputs, *transitive]:
        if dependency.scope in {None, "compile", "runtime"} and not dependency.optional:
            yield dependency


def resolve_all(cache: Path, repository: str) -> list[LockedJar]:
    """Every jar of both class paths, each downloaded once into ``cache`` for its hash.

    The connector's class path leaves out what Kafka's has: Connect gives it to plugins.
    """
    context = MavenContext(repo_cache=cache, remote_repos={"central": repository})
    jars: list[LockedJar] = []
    given: set[tuple[str, str]] = set()
    for class_path, roots in ROOTS.items():
        found = list(_resolve(context, roots))
        for dependency in found:
            if (dependency.groupId, dependency.artifactId) in given:
                continue
            content = dependency.artifact.resolve().read_bytes()
            jars.append(
                LockedJar(
                    class_path=class_path,
                    group=dependency.groupId,
                    artifact=dependency.artifactId,
                    version=dependency.version,
                    sha256=hashlib.sha256(content).hexdigest(),
                    size_bytes=len(content),
                )
            )
        given |= {(dependency.groupId, dependency.artifactId) for dependency in found}
    return jars


def main() -> None:
    """Resolve with an empty cache, so that nothing local can slip into the lock."""
    repository = os.environ.get("OUTBOX_MAVEN_REPOSITORY") or MAVEN_CENTRAL_URL
    with TemporaryDirectory(prefix="outbox-lock-") as cache:
        LOCK.write_text(lock_text(resolve_all(Path(cache), repository)))


if __name__ == "__main__":
    main()
