"""The API as a process: `python -m producer_app.api`."""

import sys
from datetime import timedelta
from typing import NoReturn

from sqlalchemy.exc import DBAPIError

from producer_app.api.application import create_application
from producer_app.api.server import HOST, address_of, listen, server_of
from producer_app.api.settings import read_settings
from producer_app.database import connect, create_tables

_EXIT_USAGE = 2
_EXIT_UNREACHABLE = 3


def main() -> None:
    """Create the application's tables where they are missing; serve until SIGTERM or SIGINT."""
    settings = read_settings()
    try:
        listening = listen(settings.api_port)
    except OSError as error:
        where = f"{HOST}:{settings.api_port}"
        _end(f"OUTBOX_API_PORT: {where}: {error.strerror}. Set another.", _EXIT_USAGE)
    engine = connect(
        settings.app_database_url,
        settings.api_pool_size,
        pool_timeout_seconds=settings.api_pool_timeout_seconds,
        statement_timeout_seconds=settings.api_statement_timeout_seconds,
    )
    try:
        create_tables(engine)
    except DBAPIError as error:
        _end(
            f"OUTBOX_APP_DATABASE_URL: the application's tables can't be created: {error.orig}. "
            "Start the database (`outbox up`) or correct the address, then start the API again.",
            _EXIT_UNREACHABLE,
        )
    application = create_application(engine, timedelta(hours=settings.api_idempotency_hours))
    _tell(f"Listening on {address_of(listening)}")
    server_of(application).run(sockets=[listening])


def _end(message: str, exit_code: int) -> NoReturn:
    _tell(message)
    sys.exit(exit_code)


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
