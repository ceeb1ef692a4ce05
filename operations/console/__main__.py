"""The console as a process: `python -m operations.console`."""

from collections.abc import Sequence

import structlog
import uvicorn
from pydantic import ValidationError

from infra.local.layout import layout_from_environment
from operations.console.application import make_application
from operations.console.observing import Observer
from operations.console.services import Services
from operations.console.settings import ConsoleSettings
from operations.console.users import UsersFileError, read_users
from operations.processes import Processes
from operations.settings import load_settings
from stream_processors.engine.logs import set_up_logs
from stream_processors.environment import SettingsError
from stream_processors.settings import end_as_wrongly_used

_LEAVE_SECONDS = 5

_log = structlog.get_logger(__name__)


def read_console_settings() -> ConsoleSettings:
    """Read them from the environment; raises SettingsError, which says what is unsafe or wrong."""
    try:
        settings = ConsoleSettings.model_validate({})
        if settings.users_file is not None:
            read_users(settings.users_file)
    except ValidationError as error:
        faults = {
            _setting(fault["loc"]): fault["msg"].removeprefix("Value error, ")
            for fault in error.errors()
        }
        raise SettingsError(faults) from None
    except UsersFileError as error:
        raise SettingsError({"OUTBOX_CONSOLE_USERS_FILE": str(error)}) from error
    return settings


def _setting(location: Sequence[str | int]) -> str:
    """Return the name of a wrong setting; what several are wrong together is all of them."""
    name = "_".join(map(str, location)).upper() or "*"
    # A setting that other processes have too bears its whole name.
    return name if name.startswith("OUTBOX_") else f"OUTBOX_CONSOLE_{name}"


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    try:
        settings = read_console_settings()
    except SettingsError as error:
        end_as_wrongly_used(error)
    set_up_logs(settings.log_level)
    addresses = load_settings()
    processes = Processes(addresses, layout_from_environment())
    services = Services(addresses, processes.health_urls())
    observer = Observer(services, processes.look)
    observer.start()
    _log.info("console_starts", origins=sorted(settings.origins), login=bool(settings.users_file))
    uvicorn.run(
        make_application(settings, services, observer),
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.tls_certificate_file,
        ssl_keyfile=settings.tls_key_file,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LEAVE_SECONDS,
    )


if __name__ == "__main__":
    main()
