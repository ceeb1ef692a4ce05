"""The generated passwords of one stack, kept in one file that only its owner reads."""

import base64
import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local.errors import StackError
from infra.local.files import write_private

ROLES = (
    "outbox_owner",
    "outbox_application",
    "outbox_connector",
    "outbox_ledger_writer",
    "outbox_auditor",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """``superuser`` is PostgreSQL's ``postgres``; ``roles`` maps a role to its password."""

    superuser: str
    roles: Mapping[str, str]
    supervisor: str
    kafka_cluster_id: str


def _generate() -> Credentials:
    return Credentials(
        superuser=secrets.token_urlsafe(24),
        roles={role: secrets.token_urlsafe(24) for role in ROLES},
        supervisor=secrets.token_urlsafe(24),
        kafka_cluster_id=_cluster_id(),
    )


def _cluster_id() -> str:
    """Return an id in Kafka's own form: a random UUID in URL-safe base64.

    As Kafka's own generator does, without one that its command line would take for an option.
    """
    while True:
        candidate = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not candidate.startswith("-"):
            return candidate


def load_credentials(path: Path) -> Credentials | None:
    """Return what an earlier start wrote, or None; raises StackError if the file is damaged."""
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text())
        return Credentials(**stored)
    except (ValueError, TypeError) as error:
        raise StackError(
            f"{path} is damaged ({error}). It holds the passwords of the data beside it: restore "
            "it, or start over without data: `outbox down`, then delete its folder."
        ) from error


def ensure_credentials(path: Path) -> Credentials:
    """Load the passwords, or generate and keep them."""
    existing = load_credentials(path)
    if existing is not None:
        return existing
    generated = _generate()
    write_private(path, json.dumps(asdict(generated), indent=2) + "\n")
    return generated
