"""Taking the local stack down, in good order where supervisord lives, and always."""

from infra.local.credentials import load_credentials
from infra.local.layout import Layout
from infra.local.programs import CONNECT, KAFKA, POSTGRES
from infra.local.supervision import UNREACHABLE, Supervisor
from infra.local.sweep import sweep

PATIENCE_SECONDS = 30.0
ORDER = (CONNECT, KAFKA, POSTGRES)
"""After our own processes, which still have Kafka and PostgreSQL to finish with."""


def _stop_in_order(supervisor: Supervisor) -> list[str]:
    """Through supervisord: our processes, then Connect, then Kafka and PostgreSQL. Names."""
    running = [process.name for process in supervisor.processes() if process.pid]
    ours = [name for name in running if name not in ORDER]
    for names in (ours, [CONNECT], [KAFKA, POSTGRES]):
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
