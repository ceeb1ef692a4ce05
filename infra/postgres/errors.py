"""What can go wrong between this package and a PostgreSQL server."""


class DatabaseSetupError(Exception):
    """The database cannot be set up; the message says what to do."""


class MigrationChangedError(DatabaseSetupError):
    """A migration that a database has had says something else now, or is gone."""


class MigrationFailedError(DatabaseSetupError):
    """The server refused a migration; nothing of it is in the database."""


class SlotUnusableError(DatabaseSetupError):
    """The replication slot cannot be made, or exists and cannot be read from."""
