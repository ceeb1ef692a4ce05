"""Taking the local stack down, in good order where supervisord lives, and always."""

from infra.local.credentials import load_credentials
from infra.local.layout import Layout
from infra.local.programs import POSTGRES, is_broker, is_connect
from infra.local.supervision import UNREACHABLE, Supervisor
from infra.local.sweep import sweep

PATIENCE_SECONDS = 30.0


def _stop_in_order(supervisor: Supervisor) -> list[str]:
    """Through supervisord: our processes, then Connect, then Kafka and PostgreSQL. Names.

    Our own come first: they still have Kafka and PostgreSQL to finish with.
    """
    running = [process.name for process in supervisor.processes() if process.pid]
    connect = [name for name in running if is_connect(name)]
    last = [name for name in running if is_broker(name) or name == POSTGRES]
    ours = [name for name in running if name not in {*connect, *last}]
    for names in (ours, connect, last):
        supervisor.stop(names, PATIENCE_SECONDS)
    supervisor.shutdown()
    return running


def stop_all(layout: Layout) -> list[str]:
    """Stop every process of the stack, whatever state it is in; returns the names of what ran.

    The caller holds the home's lock.
    """
    stopped: list[str] = []
    credentials = load_credentials(layout.secrets)
    if credentials is not None:
        supervisor = Supervisor(layout, credentials.supervisor)
        if supervisor.is_answering():
            try:
                stopped = _stop_in_order(supervisor)
            except UNREACHABLE:
                stopped = []  # it died meanwhile: the sweep finds what it has left
    return sorted({*stopped, *sweep(layout)})
