"""What each image is, by itself."""

import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker
import pytest
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer

from tests.containers.building import Images
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(1200)

ADDED_BYTES_MAX = 200_000_000
SOMEBODY = "4242"
BUILD_TOOLS = ("gcc", "cc", "make", "git", "pip", "pip3", "uv", "mvn", "javac", "jgo")
KAFKA = {"OUTBOX_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
WORKER = {**KAFKA, "OUTBOX_WORKER_NAME": "worker-1"}


@contextmanager
def running(
    image: str, *command: str, env: Mapping[str, str] | None = None, **options: Any
) -> Iterator[Container]:
    """A container that is gone in the end."""
    container = DockerContainer(image, network_mode="none", **options).with_command(list(command))
    for name, value in (env or {}).items():
        container.with_env(name, value)
    with container:
        yield container.get_wrapped_container()


def ended(
    image: str, *command: str, env: Mapping[str, str] | None = None, **options: Any
) -> tuple[int, str]:
    """Run a container to its end: its exit code and what it wrote."""
    with running(image, *command, env=env, **options) as container:
        code = container.wait(timeout=60)["StatusCode"]
        return code, container.logs().decode()


@pytest.fixture
def both(images: Images) -> tuple[str, str]:
    return images.outbox, images.connect


def test_the_processors_add_less_than_200_mb_to_their_base(images: Images) -> None:
    sizes = docker.from_env().images
    added = sizes.get(images.outbox).attrs["Size"] - sizes.get(images.base).attrs["Size"]
    assert 0 < added < ADDED_BYTES_MAX


def test_no_image_runs_as_root_and_each_says_what_it_is(images: Images) -> None:
    release = images.release
    for image in (images.outbox, images.connect):
        configuration = docker.from_env().images.get(image).attrs["Config"]
        labels = configuration["Labels"]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", configuration["User"])
        assert labels["org.opencontainers.image.version"] == release.version
        assert labels["org.opencontainers.image.revision"] == release.revision
        assert list(configuration["Volumes"]) == ["/var/lib/outbox"]


def test_no_image_has_build_tools_or_secrets(both: tuple[str, str]) -> None:
    looked_for = " ".join(BUILD_TOOLS)
    script = (
        f"for tool in {looked_for}; do command -v $tool; done; "
        "python3 -c 'import pip' 2> /dev/null && echo pip; "
        "find /opt /var/lib/outbox /home /root -name .env -o -name '*.key' -o -name .git "
        "-o -name pip.conf -o -name .netrc 2> /dev/null; exit 0"
    )
    for image in both:
        assert ended(image, "-c", script, entrypoint="sh") == (0, "")
        environment = docker.from_env().images.get(image).attrs["Config"]["Env"]
        secret = re.compile(r"\w*(PASSWORD|SECRET|TOKEN|_URL)=")
        assert not [each for each in environment if secret.match(each)]


def test_any_user_can_run_it_on_a_root_that_nobody_can_write(images: Images) -> None:
    somebody = {"user": SOMEBODY, "read_only": True}
    code, said = ended(images.outbox, "outbox", "--version", **somebody)
    assert (code, "version" in said) == (0, True), said
    with running(images.outbox, "worker", env=WORKER, **somebody) as container:
        wait_until(
            "it serves its page",
            lambda: container.exec_run(["python", "-m", "infra.images.health"]),
            is_so=lambda seen: b'"ready"' in seen.output,
        )
        written = container.exec_run(["sh", "-c", "id -u; touch /opt/outbox/there"])
        assert written.output.decode().startswith(f"{SOMEBODY}\n")
        assert b"Read-only file system" in written.output


@pytest.mark.parametrize(
    ("role", "environment", "setting"),
    [
        ("worker", {"OUTBOX_WORKER_NAME": "w"}, "OUTBOX_KAFKA_BOOTSTRAP_SERVERS"),
        ("worker", KAFKA, "OUTBOX_WORKER_NAME"),
        ("worker", {**WORKER, "OUTBOX_HEALTH_PORT": "eighty"}, "OUTBOX_HEALTH_PORT"),
        ("ledger-writer", KAFKA, "OUTBOX_LEDGER_WRITER_DATABASE_URL"),
        ("scheduler", KAFKA, "OUTBOX_DATABASE_URL"),
        ("connector-keeper", {"OUTBOX_HEALTH_PORT": "-1"}, "OUTBOX_HEALTH_PORT"),
        ("notifications", KAFKA, "WEBHOOK_URL"),
        ("console", {"OUTBOX_CONSOLE_HOST": "::"}, "OUTBOX_CONSOLE_USERS_FILE"),
    ],
)
def test_a_wrong_setting_ends_it_with_an_error_that_names_the_setting(
    images: Images, role: str, environment: Mapping[str, str], setting: str
) -> None:
    code, said = ended(images.outbox, role, env=environment)
    assert code == 2
    assert setting in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("environment", "setting"),
    [
        ({}, "OUTBOX_KAFKA_BOOTSTRAP_SERVERS"),
        (KAFKA, "OUTBOX_CONNECTOR_DATABASE_URL"),
        ({**KAFKA, "OUTBOX_CONNECT_PORT": "eighty"}, "OUTBOX_CONNECT_PORT"),
        (
            {**KAFKA, "OUTBOX_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"},
            "OUTBOX_KAFKA_SASL_USERNAME",
        ),
    ],
)
def test_connect_names_a_wrong_setting_too(
    images: Images, environment: Mapping[str, str], setting: str
) -> None:
    code, said = ended(images.connect, env=environment)
    assert code == 2
    assert setting in {line.partition(":")[0] for line in said.splitlines()}


def test_state_that_cannot_be_written_is_told_by_the_setting_that_names_it(
    both: tuple[str, str],
) -> None:
    nowhere = {**WORKER, "OUTBOX_STATE_DIRECTORY": "/opt/outbox/state"}
    roles: tuple[list[str], ...] = (["worker"], [])
    for image, role in zip(both, roles, strict=True):
        code, said = ended(image, *role, env=nowhere, user=SOMEBODY, read_only=True)
        assert code == 2
        assert said.startswith("OUTBOX_STATE_DIRECTORY: /opt/outbox/state cannot be written by ")


def test_an_unknown_role_is_refused_with_the_roles_there_are(images: Images) -> None:
    code, said = ended(images.outbox, "bash")
    assert code == 2
    assert "ledger-writer" in said


def test_it_ends_at_once_when_it_is_told_to_while_it_still_loads(images: Images) -> None:
    def caught() -> int:
        """The signals that process 1 has a handler for, a bit each."""
        asked = container.exec_run(["sed", "-n", "s/^SigCgt:\\s*//p", "/proc/1/status"])
        return int(asked.output or b"0", 16)

    with running(images.outbox, "worker", env=WORKER) as container:
        # The first moment belongs to the interpreter, and process 1 ignores what it does not catch.
        wait_until("it listens", caught, lambda seen: bool(seen >> (signal.SIGTERM - 1) & 1))
        container.stop(timeout=15)
        container.reload()
        assert container.attrs["State"]["ExitCode"] in {0, 143}
