"""The run that is thrown away: Kafka and Connect start once so that Java learns their start."""

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local.connect import CONNECT_JAVA, prepare_connect, worker_file
from infra.local.errors import ProcessFailedError, StackError
from infra.local.files import tail
from infra.local.health import kafka_answers, page_is_good
from infra.local.jars import alone_with_jars, ensure_jars
from infra.local.java_cache import cache_file, is_possible, training_command
from infra.local.kafka import KAFKA_JAVA, prepare_kafka, server_file
from infra.local.layout import Layout
from infra.local.ports import is_free
from infra.local.postgres import client_environment
from infra.local.programs import JavaProgram
from infra.local.supervision import HOME_MARK
from schemas.topic_creation import create_missing_topics

READY_SECONDS = 90.0
END_SECONDS = 90.0
TRIES = 100
BASES = range(20000, 32000, 10)  # below the ports that systems give to outgoing connections
PREFIX = "training-"
CLUSTER = "trainingtrainingtrain0"

Report = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class _Trial:
    """A stack in a folder that will be deleted, marked as part of the real one of ``home``."""

    layout: Layout
    jars: Path
    home: Path

    def learn(
        self,
        program: JavaProgram,
        configuration: Path,
        is_ready: Callable[[], bool],
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Run a program until it is ready and ``meanwhile`` is done, end it, keep its cache."""
        # On the file system of the jars, so that it can be moved into its place at once.
        output = self.jars / f".{program.name}-{self.layout.port_base}.aot"
        log = self.layout.home / f"{program.name}.log"
        process = self._start(program, configuration, output, log)
        try:
            _wait(process, is_ready, log)
            meanwhile()
            process.terminate()
            process.wait(END_SECONDS)
            if not output.exists():
                raise ProcessFailedError(f"{program.name} wrote no cache:\n{tail(log)}")
            _keep(output, cache_file(self.jars, program), program.name)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            for left in self.jars.glob(f"{output.name}*"):
                left.unlink()

    def _start(
        self, program: JavaProgram, configuration: Path, output: Path, log: Path
    ) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            return subprocess.Popen(
                training_command(self.jars, program, [str(configuration)], output),
                env={**client_environment(), HOME_MARK: str(self.home)},
                stdout=file,
                stderr=subprocess.STDOUT,
            )


def _wait(process: subprocess.Popen[bytes], is_ready: Callable[[], bool], log: Path) -> None:
    """Wait until a program answers; raises ProcessFailedError if it ends or takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ProcessFailedError(f"{log.stem} did not start:\n{tail(log, 3)}")
        time.sleep(0.1)


def _keep(output: Path, cache: Path, name: str) -> None:
    """Put a cache in its place, and delete those of a Java, a lock or options no longer ours."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    for older in cache.parent.glob(f"{name}-*.aot"):
        older.unlink()
    output.replace(cache)


def _free_base() -> int:
    """Return the first of ten free ports; raises StackError if none are found."""
    for base in random.sample(BASES, TRIES):
        if all(is_free(base + offset) for offset in range(5)):
            return base
    raise StackError("No free ports were found.")


def _remove_leftovers(home: Path, jars: Path) -> None:
    """Delete what a run that was killed has left; the caller is alone with the jars."""
    for folder in home.glob(f"{PREFIX}*"):
        shutil.rmtree(folder)
    for output in jars.glob(".*.aot*"):
        output.unlink()


def _train(home: Path, jars: Path) -> None:
    """Run both, Connect while Kafka runs. Raises StackError, OSError or SubprocessError."""
    _remove_leftovers(home, jars)
    with TemporaryDirectory(prefix=PREFIX, dir=home) as folder:
        layout = Layout(Path(folder), _free_base())
        trial = _Trial(layout, jars, home)
        prepare_kafka(layout, jars, CLUSTER, 1)
        prepare_connect(layout, jars)

        def with_kafka() -> None:
            create_missing_topics(layout.brokers)
            health = f"{layout.connect_url}/health"
            trial.learn(CONNECT_JAVA, worker_file(layout, 1), lambda: page_is_good(health))

        brokers = layout.kafka_bootstrap_servers
        trial.learn(KAFKA_JAVA, server_file(layout, 1), lambda: kafka_answers(brokers), with_kafka)


def _is_complete(jars: Path) -> bool:
    return all(cache_file(jars, program).exists() for program in (KAFKA_JAVA, CONNECT_JAVA))


def ensure_java_caches(home: Path, jars: Path, report: Report) -> None:
    """Make the caches if they are missing; without them everything works, only starts slower."""
    if not is_possible() or _is_complete(jars):
        return
    report("preparing quick starts of Kafka and Connect (once per installation)")
    with alone_with_jars(jars):
        if _is_complete(jars):
            return
        try:
            _train(home, jars)
        except (StackError, OSError, subprocess.SubprocessError) as error:
            report(f"quick starts could not be prepared, which changes nothing else: {error}")


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        ensure_java_caches(
            Path(temporary), ensure_jars(), lambda stage: sys.stderr.write(f"{stage}\n")
        )
