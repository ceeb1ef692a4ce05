"""The console as a process: `python -m operations.console`."""

import sys
from functools import partial

import structlog
import uvicorn
from pydantic import ValidationError

from infra.local.layout import layout_from_environment
from infra.local.programs import stack_endpoints
from infra.local.status import known_workers, process_statuses
from operations.console.application import make_application
from operations.console.observing import Observer
from operations.console.services import Services
from operations.console.settings import ConsoleSettings
from operations.console.users import UsersFileError, read_users
from operations.settings import load_settings
from stream_processors.engine.logs import set_up_logs

_EXIT_USAGE = 2
_LEAVE_SECONDS = 5

_log = structlog.get_logger(__name__)


def read_console_settings() -> ConsoleSettings:
    """Read the settings, or end the process with an error that says what is unsafe or wrong."""
    try:
        settings = ConsoleSettings.model_validate({})
        if settings.users_file is not None:
            read_users(settings.users_file)
    except ValidationError as error:
        for fault in error.errors():
            name = "_".join(str(part) for part in fault["loc"]).upper()
            message = fault["msg"].removeprefix("Value error, ")
            # A setting that other processes have too bears its whole name.
            prefix = "" if name.startswith("OUTBOX_") else "OUTBOX_CONSOLE_"
            where = f"{prefix}{name}: " if name else ""
            print(f"{where}{message}.", file=sys.stderr)  # noqa: T201
        sys.exit(_EXIT_USAGE)
    except UsersFileError as error:
        print(f"OUTBOX_CONSOLE_USERS_FILE: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(_EXIT_USAGE)
    return settings


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = read_console_settings()
    set_up_logs(settings.log_level)
    layout = layout_from_environment()
    endpoints = stack_endpoints(layout, known_workers(layout))
    services = Services(
        load_settings(), {each.name: each.health_url for each in endpoints if each.health_url}
    )
    observer = Observer(services, partial(process_statuses, layout))
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
