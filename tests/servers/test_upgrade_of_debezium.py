"""The connector's plug-in is replaced by a newer one, and again by the older, while events come."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.apply import apply
from infra.local.connect import PLUGINS, worker_file
from infra.local.download import download_all
from infra.local.files import write_private
from infra.local.jars import ensure_jars
from infra.local.jars_lock import LOCK, read_lock
from infra.local.programs import CONNECT
from infra.local.supervision import Supervisor
from tests.connect_services import ConnectServices, running_connect_services
from tests.waiting import wait_until

BEFORE = Path(__file__).with_name("debezium_before.lock")
CONNECTOR_CLASS = "io.debezium.connector.postgresql.PostgresConnector"
PLACE = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'outbox_events'"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def older_plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of plug-ins that holds the version before ours."""
    directory = tmp_path_factory.mktemp("before")
    download_all(read_lock(BEFORE.read_text()), directory)
    return directory / PLUGINS


@pytest.fixture(scope="module")
def services() -> Iterator[ConnectServices]:
    with running_connect_services() as running:
        yield running


def version_of(lock: Path) -> str:
    [version] = {
        jar.version
        for jar in read_lock(lock.read_text())
        if jar.artifact == "debezium-connector-postgres"
    }
    return version


def restart_with(services: ConnectServices, plugins: Path) -> None:
    """Put other plug-ins in place, as an administrator of Connect does, and start it anew."""
    supervisor = Supervisor(services.layout, services.credentials.supervisor)
    supervisor.stop([CONNECT], 60)
    file = worker_file(services.layout, 1)
    text = re.sub(r"(?m)^plugin\.path=.*$", f"plugin.path={plugins}", file.read_text())
    write_private(file, text)
    supervisor.start(CONNECT)
    wait_until("Connect answers", lambda: _versions(services), is_so=bool, seconds=120)


def wait_until_past(services: ConnectServices, place: str) -> None:
    wait_until(
        "the slot moves on from where it was",
        lambda: services.query(f"SELECT '{place}'::pg_lsn < ({PLACE})"),
        is_so=lambda moved: moved == [(True,)],
        seconds=120,
    )


def _versions(services: ConnectServices) -> dict[str, str]:
    try:
        return services.client.plugin_versions()
    except Exception:  # noqa: BLE001 - whatever it says while it starts
        return {}


@contextmanager
def writing(services: ConnectServices) -> Iterator[list[str]]:
    """Insert an event every 200 ms; gives the sessions."""
    sessions: list[str] = []
    stopping = threading.Event()

    def write() -> None:
        while not stopping.wait(0.2):
            sessions.append(services.insert())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield sessions
    finally:
        stopping.set()
        thread.join()


def test_the_connector_goes_on_where_it_was_with_a_newer_plugin_and_with_the_older_again(
    services: ConnectServices, older_plugins: Path
) -> None:
    ours = ensure_jars() / PLUGINS
    restart_with(services, older_plugins)
    assert _versions(services)[CONNECTOR_CLASS] == version_of(BEFORE)
    with writing(services) as sessions:
        apply(services.site)
        wait_until("events come", lambda: len(sessions), is_so=lambda count: count > 10)
        for plugins, lock in ((ours, LOCK), (older_plugins, BEFORE), (ours, LOCK)):
            [(place,)] = services.query(PLACE)
            restart_with(services, plugins)
            assert _versions(services)[CONNECTOR_CLASS] == version_of(lock)
            wait_until_past(services, place)
            assert services.delivered(services.insert(), 60) is not None
    missing = [session for session in sessions if services.delivered(session, 30) is None]
    assert missing == []
    code, printed, said = services.outbox("connectors", "status")
    assert code == 0, (printed, said)
