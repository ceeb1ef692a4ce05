"""infra/compose.yaml as a running system, on images that were built here."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
import psycopg
from docker.models.containers import Container
from testcontainers.compose import DockerCompose

from infra.local.layout import project_directory
from tests.containers.building import Images
from tests.running_stack import session_port_base
from tests.waiting import wait_until

PROJECT = "billing-outbox-test"
SERVICES = (
    "postgres",
    "kafka",
    "connect",
    "worker-1",
    "worker-2",
    "ledger-writer",
    "connector-keeper",
    "scheduler",
    "console",
)
"""Prometheus alone is left out: its image can be had from a registry only."""
HEALTHY_SECONDS = 180.0


class Compose(DockerCompose):
    """Compose 2, or Compose 1 where there is no other: Debian 12 has that as a package."""

    @cached_property
    def compose_command_property(self) -> list[str]:
        _, _, *options = super().compose_command_property
        second = ["docker", "compose"]
        asked = subprocess.run([*second, "version"], capture_output=True, check=False)
        name = second if asked.returncode == 0 else ["docker-compose"]
        return [*name, *options]

    def stop(self, down: bool = True) -> None:
        ending = ["down", "--volumes", "--remove-orphans"] if down else ["stop"]
        self._run_command([*self.compose_command_property, *ending])


class System:
    """Its containers, by the names of their services."""

    def __init__(self, compose: Compose, images: Images, passwords: dict[str, str]) -> None:
        self.images = images
        self._compose = compose
        self._passwords = passwords
        self._docker = docker.from_env()

    def container(self, service: str) -> Container:
        labels = [f"com.docker.compose.project={PROJECT}", f"com.docker.compose.service={service}"]
        (found,) = self._docker.containers.list(all=True, filters={"label": labels})
        return found

    def inspected(self, service: str) -> dict[str, Any]:
        """What the engine knows of a container now."""
        attributes: dict[str, Any] = self.container(service).attrs
        return attributes

    @property
    def network(self) -> str:
        (name,) = self.inspected("kafka")["NetworkSettings"]["Networks"]
        return str(name)

    def health(self, service: str) -> str:
        state = self.inspected(service)["State"]
        return str(state["Health"]["Status"]) if state["Running"] else "not running"

    def wait_for(self, service: str, health: str, seconds: float = HEALTHY_SECONDS) -> None:
        wait_until(
            f"{service} is {health}",
            lambda: self.health(service),
            is_so=lambda seen: seen == health,
            seconds=seconds,
        )

    def kill(self, service: str) -> None:
        """As `docker kill` does, after which the engine starts nothing again."""
        self.container(service).kill()
        self.container(service).wait()

    def start(self, service: str) -> None:
        self.container(service).start()

    def end_process(self, service: str) -> None:
        """Kill its first process from outside, as the kernel does where memory runs out."""
        os.kill(self.inspected(service)["State"]["Pid"], signal.SIGKILL)

    def database_url(self, role: str) -> str:
        """The database, at its container's own address, which is another after each start."""
        networks = self.inspected("postgres")["NetworkSettings"]["Networks"]
        address = networks[self.network]["IPAddress"]
        password = self._passwords[f"{role.removeprefix('outbox_').upper()}_PASSWORD"]
        return f"postgresql://{role}:{password}@{address}:5432/outbox"

    @contextmanager
    def owner(self) -> Iterator[psycopg.Connection[Any]]:
        url = self.database_url("outbox_owner")
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            yield connection

    def run(self, service: str, *command: str) -> tuple[int, str]:
        """Run a command in a new container of a service: its exit code and all it wrote."""
        finished = subprocess.run(
            [*self._compose.compose_command_property, "run", "--rm", "-T", service, *command],
            capture_output=True,
            text=True,
            cwd=self._compose.context,
            check=False,
        )
        return finished.returncode, finished.stdout + finished.stderr

    def outbox_json(self, *arguments: str) -> tuple[int, Any]:
        """Run a verb in the scheduler's container; its exit code and what it printed."""
        command = ["outbox", *arguments, "--output", "json"]
        code, output = self.container("scheduler").exec_run(command, stderr=False)
        return code, json.loads(output)


def _settings(images: Images) -> dict[str, str]:
    script = project_directory() / "infra" / "compose-secrets.sh"
    made = subprocess.run(["/bin/sh", str(script)], check=True, capture_output=True, text=True)
    settings = dict(line.split("=", 1) for line in made.stdout.splitlines())
    return settings | {
        "COMPOSE_PROJECT_NAME": PROJECT,
        "OUTBOX_IMAGE": images.outbox,
        "OUTBOX_CONNECT_IMAGE": images.connect,
        "OUTBOX_POSTGRES_IMAGE": images.postgres,
        "OUTBOX_KAFKA_IMAGE": images.kafka,
        "OUTBOX_CONSOLE_PUBLISHED_PORT": str(session_port_base() + 43),
    }


@contextmanager
def running_system(images: Images, folder: Path) -> Iterator[System]:
    """Up and healthy; gone in the end, with its volumes."""
    settings = _settings(images)
    file = folder / "compose.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    context = project_directory() / "infra"
    compose = Compose(
        context=context,
        compose_file_name="compose.yaml",
        env_file=str(file),
        services=list(SERVICES),
        wait=False,
    )
    passwords = {name.removeprefix("OUTBOX_"): value for name, value in settings.items()}
    with compose:
        system = System(compose, images, passwords)
        for service in SERVICES:
            system.wait_for(service, "healthy")
        yield system
