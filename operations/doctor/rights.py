"""Whether each role may do what the files of infra/postgres say, and no more.

The files are read, not repeated: a right that is granted there tomorrow is expected tomorrow.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psycopg

from infra.postgres.migrate import OWNER, ROLES
from infra.postgres.objects import HOME, role_files
from operations.doctor.finding import Finding, by_owner, by_superuser, fault, fine, warning

PUBLIC = "PUBLIC"
_WRITING = {"INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"}
_COMMENT = re.compile(r"--.*$", re.MULTILINE)
_GRANT = re.compile(r"GRANT (?P<privileges>.+?) ON (?P<objects>.+) TO (?P<role>\w+)")
_PRIVILEGE = re.compile(r"(?P<privilege>\w+)\s*(?:\((?P<columns>[^)]*)\))?")
_FUNCTION = re.compile(r"\w+\([^)]*\)")
_ATTRIBUTES = {
    "LOGIN": "rolcanlogin",
    "SUPERUSER": "rolsuper",
    "CREATEDB": "rolcreatedb",
    "CREATEROLE": "rolcreaterole",
    "REPLICATION": "rolreplication",
    "BYPASSRLS": "rolbypassrls",
}

# Partitions are reached through their parent, whose rights count; the auditor's default rights give
# it SELECT on each new one.
_ACTUAL = """
    SELECT coalesce(role.rolname, 'PUBLIC'), acl.privilege_type, held.object, held.is_partition
    FROM (
        SELECT relname AS object, relowner AS owner, relispartition AS is_partition, relacl AS acls
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
        UNION ALL
        SELECT format('%s(%s)', relname, attname), relowner, relispartition, attacl
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND attacl IS NOT NULL
        UNION ALL
        SELECT 'FUNCTION ' || pg_proc.oid::regprocedure::text, proowner, false,
               coalesce(proacl, acldefault('f', proowner))
        FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
        UNION ALL
        SELECT 'SCHEMA ' || nspname, nspowner, false, coalesce(nspacl, acldefault('n', nspowner))
        FROM pg_namespace
        WHERE nspname = 'public'
    ) AS held
    CROSS JOIN LATERAL aclexplode(held.acls) AS acl
    LEFT JOIN pg_roles AS role ON role.oid = acl.grantee
    WHERE acl.grantee <> held.owner
"""
_RELATIONS = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
      AND NOT relispartition
"""
_FOREIGN_OWNED = """
    SELECT relname, pg_get_userbyid(relowner) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
      AND pg_get_userbyid(relowner) <> %s
    ORDER BY relname
"""
_MEMBERS = """
    SELECT member.rolname, whole.rolname
    FROM pg_auth_members
    JOIN pg_roles AS member ON member.oid = pg_auth_members.member
    JOIN pg_roles AS whole ON whole.oid = roleid
    WHERE member.rolname = ANY(%s)
    ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A role's privilege on an object: `table`, `table(column)`, `FUNCTION f(…)`, `SCHEMA s`."""

    role: str
    privilege: str
    object: str

    def statement(self, verb: str, preposition: str) -> str:
        """Return the SQL that grants or revokes it."""
        name, _, column = self.object.partition("(")
        if column and not self.object.startswith("FUNCTION "):
            return f"{verb} {self.privilege} ({column} ON {name} {preposition} {self.role};"
        return f"{verb} {self.privilege} ON {self.object} {preposition} {self.role};"


def rights(connection: psycopg.Connection) -> Iterator[Finding]:
    """Whether the roles' rights are as granted by the files."""
    wrong = [*_attributes(connection), *_memberships(connection), *_owners(connection)]
    # A role or table that is not there is told by another line.
    if not wrong:
        wrong = list(_compare(connection))
    yield from wrong
    if not wrong:
        yield fine("rights", f"{len(ROLES)} roles may do what they should, and nothing else")


def expected_rights(connection: psycopg.Connection) -> set[Right]:
    """Return what infra/postgres/grants gives, on the tables that this database has."""
    relations = [name for (name,) in connection.execute(_RELATIONS).fetchall()]
    texts = (path.read_text(encoding="utf-8") for path in sorted((HOME / "grants").glob("*.sql")))
    return {
        right
        for text in texts
        for statement in _COMMENT.sub("", text).split(";")
        for right in _granted(" ".join(statement.split()), relations, connection)
    }


def _granted(
    statement: str, relations: Iterable[str], connection: psycopg.Connection
) -> Iterator[Right]:
    grant = _GRANT.fullmatch(statement)
    if grant is None:
        return
    role, objects = grant["role"], grant["objects"]
    if objects.startswith("FUNCTION "):
        names = [
            f"FUNCTION {_catalog_name(function, connection)}"
            for function in _FUNCTION.findall(objects)
        ]
    elif objects == "ALL TABLES IN SCHEMA public":
        names = list(relations)
    else:
        names = [name.strip() for name in objects.split(",")]
    for asked in _PRIVILEGE.finditer(grant["privileges"]):
        columns = asked["columns"]
        for name in names:
            if columns is None:
                yield Right(role, asked["privilege"], name)
            else:
                for column in columns.split(","):
                    yield Right(role, asked["privilege"], f"{name}({column.strip()})")


def _catalog_name(function: str, connection: psycopg.Connection) -> str:
    row = connection.execute("SELECT to_regprocedure(%s)::text", [f"public.{function}"]).fetchone()
    return function if row is None or row[0] is None else str(row[0])


def _compare(connection: psycopg.Connection) -> Iterator[Finding]:
    expected = expected_rights(connection)
    held: set[Right] = set()
    on_partitions: set[Right] = set()
    for role, privilege, name, is_partition in connection.execute(_ACTUAL).fetchall():
        (on_partitions if is_partition else held).add(Right(role, privilege, name))
    for right in sorted(expected - held):
        yield fault(
            "rights",
            f"{right.role} lacks {right.privilege} on {right.object}",
            by_owner(right.statement("GRANT", "TO")),
        )
    readable = {right for right in on_partitions if right.privilege == "SELECT"}
    auditors = {right for right in readable if right.role == "outbox_auditor"}
    for right in sorted((held - expected) | (on_partitions - auditors)):
        yield from _extra(right)


def _extra(right: Right) -> Iterator[Finding]:
    """Judge a right that no file gives; another company role that only reads is none of ours."""
    text = f"{right.role} has {right.privilege} on {right.object}, which nobody granted it here"
    remedy = by_owner(right.statement("REVOKE", "FROM"))
    if right.role in {*ROLES, PUBLIC}:
        yield fault("rights", text, remedy)
    elif right.privilege in _WRITING:
        yield warning("rights", text, remedy)


def _attributes(connection: psycopg.Connection) -> Iterator[Finding]:
    for path in role_files():
        statement = " ".join(_COMMENT.sub("", path.read_text(encoding="utf-8")).split())
        words = set(statement.rstrip(";").split(" WITH ")[1].split())
        row = connection.execute(
            "SELECT to_jsonb(role) FROM pg_roles AS role WHERE rolname = %s", [path.stem]
        ).fetchone()
        if row is None:
            remedy = "`outbox up`; elsewhere `outbox setup database` makes it"
            yield fault("rights", f"the role {path.stem} does not exist", remedy)
            continue
        wrong = [
            word if row[0][column] else f"NO{word}"
            for word, column in _ATTRIBUTES.items()
            if row[0][column] != (word in words)
        ]
        if wrong:
            text = f"the role {path.stem} is {', '.join(wrong)}, and should not be"
            yield fault("rights", text, by_superuser(statement))


def _memberships(connection: psycopg.Connection) -> Iterator[Finding]:
    for member, whole in connection.execute(_MEMBERS, [list(ROLES)]).fetchall():
        yield fault(
            "rights",
            f"{member} is a member of {whole} and may do whatever that may",
            by_superuser(f"REVOKE {whole} FROM {member};"),
        )


def _owners(connection: psycopg.Connection) -> Iterator[Finding]:
    for name, role in connection.execute(_FOREIGN_OWNED, [OWNER]).fetchall():
        yield fault(
            "rights",
            f"{name} belongs to {role}, not to {OWNER}",
            by_superuser(f"ALTER TABLE {name} OWNER TO {OWNER};"),
        )
