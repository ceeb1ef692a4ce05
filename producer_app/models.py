"""How the domain's objects lie in the application's own schema, `mentoring`, and what else does.

The mapping is imperative, so that the domain knows nothing of a database. The outbox table is not
here: it belongs to somebody else, and `producer_app.outbox` only inserts into it.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
)
from sqlalchemy.orm import registry

from producer_app.domain import Contract, Entitlement, Session, User

mapping = registry(metadata=MetaData(schema="mentoring"))

_timestamp = DateTime(timezone=True)

contracts = Table(
    "contracts",
    mapping.metadata,
    Column("contract_id", Text, primary_key=True),
    Column("student_id", Text, nullable=False),
    Column("signed_at", _timestamp, nullable=False),
    Column("activated_at", _timestamp),
)

entitlements = Table(
    "entitlements",
    mapping.metadata,
    Column("contract_id", ForeignKey(contracts.c.contract_id), primary_key=True),
    Column("session_type", Text, primary_key=True),
    Column("granted", Integer, nullable=False),
    Column("remaining", Integer, nullable=False),
    Column("service_package_id", Text, unique=True),
    Column("package_code", Text),
    Column("package_total_sessions", Integer),
    Column("package_mentor_id", Text),
    CheckConstraint("remaining BETWEEN 0 AND granted", name="remaining_within_granted"),
    CheckConstraint(
        "num_nulls(service_package_id, package_code, package_total_sessions, package_mentor_id)"
        " IN (0, 4)",
        name="package_whole_or_absent",
    ),
)

sessions = Table(
    "sessions",
    mapping.metadata,
    Column("session_id", Text, primary_key=True),
    Column("contract_id", Text, nullable=False),
    Column("session_type", Text, nullable=False),
    Column("mentor_id", Text, nullable=False),
    Column("student_id", Text, nullable=False),
    Column("required_evaluation", Boolean, nullable=False),
    Column("started_at", _timestamp, nullable=False),
    Column("ended_at", _timestamp),
    Column("completed_at", _timestamp),
    Column("evaluated_at", _timestamp),
    ForeignKeyConstraint(
        ["contract_id", "session_type"],
        [entitlements.c.contract_id, entitlements.c.session_type],
    ),
)

users = Table(
    "users",
    mapping.metadata,
    Column("user_id", Text, primary_key=True),
    Column("signed_up_at", _timestamp, nullable=False),
)

# Requests that were answered, by the key that their sender gave them: a row commits together with
# what its request changed, so a repeated request finds either both or nothing.
idempotency_keys = Table(
    "idempotency_keys",
    mapping.metadata,
    Column("idempotency_key", Text, primary_key=True),
    Column("request_fingerprint", LargeBinary, nullable=False),
    Column("response_status", Integer, nullable=False),
    Column("response_media_type", Text, nullable=False),
    Column("response_location", Text),
    Column("response_body", LargeBinary, nullable=False),
    Column("answered_at", _timestamp, nullable=False, server_default=func.now()),
    Column("expires_at", _timestamp, nullable=False, index=True),
)

mapping.map_imperatively(Contract, contracts)
mapping.map_imperatively(Entitlement, entitlements)
mapping.map_imperatively(Session, sessions)
mapping.map_imperatively(User, users)
