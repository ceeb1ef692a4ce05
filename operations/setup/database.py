"""What a database needs before the first event: roles, tables, the slot."""

import os
from collections.abc import Mapping

from psycopg.conninfo import conninfo_to_dict

from infra.postgres.migrate import DATABASE, ROLES
from stream_processors.environment import SettingsError


def password_variable(role: str) -> str:
    """Return the environment variable that holds a role's password."""
    return f"{role.upper()}_PASSWORD"


def role_passwords(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the password of each role; raises SettingsError, which names each that is missing."""
    passwords = {role: environment.get(password_variable(role), "") for role in ROLES}
    missing = {
        password_variable(role): f"the role {role} needs a password: set it in the environment"
        for role, password in passwords.items()
        if not password
    }
    if missing:
        raise SettingsError(missing)
    return passwords


def database_of(url: str) -> str:
    """Return the name of the database that a connection string means."""
    return str(conninfo_to_dict(url).get("dbname") or DATABASE)
