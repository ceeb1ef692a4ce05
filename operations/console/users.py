"""Who may use the console, and as what: a file with hashed passwords."""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from infra.local.files import write_private

PASSWORD_CHARACTERS_MIN = 12

_hasher = PasswordHasher()
# Compared with where there is no such user, so that the time tells nobody who exists.
_NOBODY = _hasher.hash("nobody has this password")


class Role(StrEnum):
    """A viewer reads; an operator acts as well."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class User:
    """Someone who may log in. `password_hash`: Argon2id, in its own text form."""

    name: str
    role: Role
    password_hash: str

    @property
    def stamp(self) -> str:
        """What a session is bound to: it ends when the password or the role changes."""
        return hashlib.sha256(f"{self.role}\0{self.password_hash}".encode()).hexdigest()[:32]


class UsersFileError(Exception):
    """The file of users cannot be used; the message says which, why, and what to do."""


def read_users(path: Path) -> dict[str, User]:
    """Return the users by name. Raises UsersFileError where the file is not as it must be."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["users"]
        users = [User(each["name"], Role(each["role"]), each["password_hash"]) for each in listed]
    except FileNotFoundError as error:
        raise UsersFileError(
            f"There is no file {path}: `outbox console users add NAME` makes it."
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsersFileError(
            f"The users in {path} cannot be read ({error!r}). Mend the file, or make it anew with "
            "`outbox console users add NAME`."
        ) from error
    return {user.name: user for user in users}


def write_users(path: Path, users: dict[str, User]) -> None:
    """Write the file, for its owner alone to read."""
    listed = [asdict(user) for _, user in sorted(users.items())]
    write_private(path, json.dumps({"users": listed}, indent=2) + "\n")


def made_user(name: str, role: Role, password: str) -> User:
    """Return a user with a hash of the password."""
    return User(name, role, _hasher.hash(password))


def authenticated(users: dict[str, User], name: str, password: str) -> User | None:
    """Return who that is; None where name and password do not belong together."""
    user = users.get(name)
    try:
        _hasher.verify(_NOBODY if user is None else user.password_hash, password)
    except (Argon2Error, InvalidHashError):
        return None
    return user
