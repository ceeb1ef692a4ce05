"""Rights and triggers on a real PostgreSQL: each is broken, named, and mended as the line says."""

from collections.abc import Iterator

import psycopg
import pytest

from operations.doctor.finding import Level
from operations.doctor.guards import guards
from operations.doctor.rights import rights
from tests.integration.doctor_lines import carry_out, found


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (
            "GRANT UPDATE ON domain_events TO outbox_application",
            "outbox_application has UPDATE on domain_events",
        ),
        (
            "GRANT SELECT (payload) ON domain_events TO outbox_application",
            "outbox_application has SELECT on domain_events(payload)",
        ),
        (
            "GRANT SELECT ON mentor_payable_ledgers TO PUBLIC",
            "PUBLIC has SELECT on mentor_payable_ledgers",
        ),
        (
            "GRANT INSERT ON domain_events_default TO outbox_ledger_writer",
            "outbox_ledger_writer has INSERT on domain_events_default",
        ),
        (
            "GRANT EXECUTE ON FUNCTION create_partitions(int) TO PUBLIC",
            "PUBLIC has EXECUTE on FUNCTION create_partitions(integer)",
        ),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "PUBLIC has CREATE on SCHEMA public"),
        (
            "REVOKE INSERT ON mentor_payable_ledgers FROM outbox_ledger_writer",
            "outbox_ledger_writer lacks INSERT on mentor_payable_ledgers",
        ),
        (
            "REVOKE INSERT (traceparent) ON domain_events FROM outbox_application",
            "outbox_application lacks INSERT on domain_events(traceparent)",
        ),
        (
            "REVOKE EXECUTE ON FUNCTION domain_event_id() FROM outbox_application",
            "outbox_application lacks EXECUTE on FUNCTION domain_event_id()",
        ),
        (
            "REVOKE USAGE ON SCHEMA public FROM outbox_connector",
            "outbox_connector lacks USAGE on SCHEMA public",
        ),
        (
            "ALTER TABLE mentor_prices OWNER TO postgres",
            "mentor_prices belongs to postgres, not to outbox_owner",
        ),
    ],
)
def test_a_right_too_many_or_too_few_is_named_and_the_statement_mends_it(
    admin: psycopg.Connection, deed: str, words: str
) -> None:
    admin.execute(deed.encode())
    finding = found(rights, admin)
    assert finding.level is Level.FAULT
    assert words in finding.finding
    carry_out(finding, admin)
    assert found(rights, admin).level is Level.OK


@pytest.fixture
def _roles_as_they_were(admin: psycopg.Connection) -> Iterator[None]:
    """Roles belong to the server, which other tests share."""
    yield
    admin.execute("ALTER ROLE outbox_auditor NOSUPERUSER")
    admin.execute("REVOKE outbox_owner FROM outbox_auditor")
    admin.execute("DROP ROLE IF EXISTS a_company_dashboard")


@pytest.mark.usefixtures("_roles_as_they_were")
@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("ALTER ROLE outbox_auditor SUPERUSER", "outbox_auditor is SUPERUSER"),
        ("GRANT outbox_owner TO outbox_auditor", "outbox_auditor is a member of outbox_owner"),
    ],
)
def test_a_role_that_may_more_than_its_file_says_is_named_and_mended(
    admin: psycopg.Connection, deed: str, words: str
) -> None:
    admin.execute(deed.encode())
    finding = found(rights, admin)
    assert words in finding.finding
    carry_out(finding, admin)
    assert found(rights, admin).level is Level.OK


@pytest.mark.usefixtures("_roles_as_they_were")
def test_a_company_role_that_reads_is_none_of_ours_and_one_that_writes_is_a_warning(
    admin: psycopg.Connection,
) -> None:
    admin.execute("CREATE ROLE a_company_dashboard")
    admin.execute("GRANT SELECT ON mentor_payable_ledgers TO a_company_dashboard")
    try:
        assert found(rights, admin).level is Level.OK
        admin.execute("GRANT INSERT ON mentor_prices TO a_company_dashboard")
        finding = found(rights, admin)
        assert finding.level is Level.WARNING
        carry_out(finding, admin)
    finally:
        admin.execute("DROP OWNED BY a_company_dashboard")


def test_a_trigger_that_was_switched_off_is_named_and_mended(admin: psycopg.Connection) -> None:
    admin.execute("ALTER TABLE mentor_payable_ledgers DISABLE TRIGGER refuse_change")
    finding = found(guards, admin)
    assert finding.level is Level.FAULT
    assert "refuse_change of mentor_payable_ledgers does not fire" in finding.finding
    assert "`outbox ledger verify`" in str(finding.remedy)
    carry_out(finding, admin)
    assert found(guards, admin).level is Level.OK


def test_a_trigger_that_fires_for_most_sessions_only_is_named(admin: psycopg.Connection) -> None:
    admin.execute("ALTER TABLE domain_events_default ENABLE TRIGGER refuse_truncate")
    assert "refuse_truncate of domain_events_default" in found(guards, admin).finding


def test_a_trigger_that_is_gone_is_named_with_its_file(admin: psycopg.Connection) -> None:
    admin.execute("DROP TRIGGER refuse_statement ON ledger_entry_sessions")
    finding = found(guards, admin)
    assert "refuse_statement of ledger_entry_sessions is gone" in finding.finding
    assert "infra/postgres/tables/ledger_entry_sessions.sql" in str(finding.remedy)
