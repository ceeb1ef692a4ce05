"""Where everything of one local stack lies, and on which ports it listens.

Of the 60 ports from the base the first ten are one process's each, +10 to +49 the workers'. +50 to
+57 are the further brokers', two each; +58 and +59 the further Connect workers'.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from infra.local.errors import StackError
from infra.local.shape import known_shape
from schemas.brokers import Brokers

FIRST_USABLE_BASE = 1024
DEFAULT_PORT_BASE = 25400
LAST_USABLE_BASE = 65535 - 64
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Layout:
    """One stack: its folder, the first of its ports, and how many brokers and Connect workers."""

    home: Path
    port_base: int
    broker_count: int = 1
    connect_worker_count: int = 1

    @property
    def postgres_port(self) -> int:
        """PostgreSQL."""
        return self.port_base

    def broker_port(self, number: int) -> int:
        """Return the port of Kafka broker ``number``, counted from 1, for clients."""
        return self.port_base + (1 if number == 1 else 46 + 2 * number)

    def controller_port(self, number: int) -> int:
        """Return the port of the KRaft controller in broker ``number``, for the brokers alone."""
        return self.port_base + (2 if number == 1 else 47 + 2 * number)

    def connect_port(self, number: int) -> int:
        """Return the port of the REST API of Connect's worker ``number``, counted from 1."""
        return self.port_base + (3 if number == 1 else 56 + number)

    @property
    def supervisor_port(self) -> int:
        """The XML-RPC of supervisord."""
        return self.port_base + 4

    @property
    def console_port(self) -> int:
        """The console's pages."""
        return self.port_base + 5

    @property
    def notifications_port(self) -> int:
        """The health of the notifications."""
        return self.port_base + 6

    @property
    def scheduler_port(self) -> int:
        """The scheduler's health."""
        return self.port_base + 7

    @property
    def connector_keeper_port(self) -> int:
        """The connector keeper's health."""
        return self.port_base + 8

    @property
    def ledger_writer_port(self) -> int:
        """The ledger writer's health."""
        return self.port_base + 9

    def worker_port(self, number: int) -> int:
        """Return the health of worker ``number``, counted from 1."""
        return self.port_base + 9 + number

    @property
    def logs(self) -> Path:
        """Each process's log."""
        return self.home / "logs"

    def log(self, process: str) -> Path:
        """Return the log of one process."""
        return self.logs / f"{process}.log"

    @property
    def secrets(self) -> Path:
        """The generated passwords, 0600."""
        return self.home / "secrets.json"

    @property
    def environment(self) -> Path:
        """What `outbox env` prints, 0600."""
        return self.home / "env.json"

    @property
    def kafka(self) -> Path:
        """Kafka's configuration and data."""
        return self.home / "kafka"

    @property
    def connect(self) -> Path:
        """Kafka Connect's configuration and secrets."""
        return self.home / "connect"

    @property
    def state(self) -> Path:
        """State of the processors, a folder each."""
        return self.home / "state"

    @property
    def supervisor(self) -> Path:
        """The configuration of supervisord."""
        return self.home / "supervisor"

    @property
    def notifications(self) -> Path:
        """Whom the last start was told to notify; there only if there is anybody."""
        return self.home / "notifications"

    def broker_address(self, number: int) -> str:
        """Return where clients reach broker ``number``."""
        return f"{HOST}:{self.broker_port(number)}"

    def connect_address(self, number: int) -> str:
        """Return the REST API of Connect's worker ``number``, without a slash at its end."""
        return f"http://{HOST}:{self.connect_port(number)}"

    @property
    def kafka_bootstrap_servers(self) -> str:
        """Where Kafka clients start: every broker, with commas between them."""
        return ",".join(map(self.broker_address, numbers(self.broker_count)))

    @property
    def brokers(self) -> Brokers:
        """Kafka, as clients of ours take it."""
        return Brokers(self.kafka_bootstrap_servers)

    @property
    def connect_url(self) -> str:
        """Kafka Connect's REST API: that of every worker, with commas between them."""
        return ",".join(map(self.connect_address, numbers(self.connect_worker_count)))


def numbers(count: int) -> range:
    """Return what several of a kind are counted by: from 1 on."""
    return range(1, count + 1)


def numbered(name: str, number: int) -> str:
    """Return what the first, or a further, of a kind is called: kafka, kafka-2, kafka-3."""
    return name if number == 1 else f"{name}-{number}"


def project_directory() -> Path:
    """Return the checkout that this package lies in, or else the current directory."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def _port_base(text: str) -> int:
    """OUTBOX_PORT_BASE as a number; raises StackError if it can be none."""
    usable = range(FIRST_USABLE_BASE, LAST_USABLE_BASE + 1)
    if not text.isascii() or not text.isdigit() or int(text) not in usable:
        raise StackError(
            f"OUTBOX_PORT_BASE is {text!r}; it must be a number from {usable[0]} to {usable[-1]}."
        )
    return int(text)


def layout_from_environment() -> Layout:
    """Return the layout that OUTBOX_HOME and OUTBOX_PORT_BASE name; raises StackError.

    It has the brokers and Connect workers that the last `outbox up` was asked for.
    """
    home = Path(os.environ.get("OUTBOX_HOME") or project_directory() / ".outbox").resolve()
    if any(character in str(home) for character in "\n\r\"'\\;#,:{}%$"):
        raise StackError(
            f"OUTBOX_HOME is {str(home)!r}; its path must have no quotes, backslash, line break, "
            "or any of ; # , : { } % $ (PostgreSQL, Kafka and supervisord read them as their own). "
            "Set OUTBOX_HOME to another folder."
        )
    base = _port_base(os.environ.get("OUTBOX_PORT_BASE") or str(DEFAULT_PORT_BASE))
    shape = known_shape(home)
    return Layout(home, base, shape.brokers, shape.connect_workers)
