"""billing.package-sessions → what a package's facts make payable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import codec
from schemas.errors import Undecodable
from schemas.records import PackageSession
from stream_processors.agents.emitting import payable_record
from stream_processors.agents.facts import FactContradictedError, add_fact, facts_about
from stream_processors.agents.reports import record_report, report_record
from stream_processors.billing.facts import SessionFacts, gather_by_session, package_fact_key
from stream_processors.billing.packages import decide_package

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream_processors.engine.fact_table import PendingFacts
    from stream_processors.engine.messages import InboundRecord, OutboundRecord


class PackagesAgent:
    """Decides on each session's facts, as soon as they are added to what the package knows."""

    def handle(self, record: InboundRecord, facts: PendingFacts) -> Iterable[OutboundRecord]:
        """Return the package's payable and the reports that follow from one session's facts.

        Raises UnknownFingerprint where a newer release wrote the record: that ends the process.
        """
        try:
            session = codec.decode(record.value or b"", PackageSession)
        except Undecodable as error:
            return [record_report("undecodable", record, str(error), None)]
        contradictions = "; ".join(_add_facts(facts, session))
        contradicted = (contradictions,) if contradictions else ()
        package_id = session.service_package_id
        decision = decide_package(package_id, gather_by_session(facts_about(facts, package_id)))
        owed = () if decision.owed is None else (decision.owed,)
        return [
            *(record_report("unprocessable", record, error, None) for error in contradicted),
            *map(payable_record, owed),
            *map(report_record, decision.reports),
        ]

    def quarantine(self, record: InboundRecord, deaths: int) -> OutboundRecord:
        """Return the report of a record that ended the process `deaths` times."""
        error = f"the processor died {deaths} times of the record at {record.position}"
        return record_report("unprocessable", record, error, None)


def _add_facts(facts: PendingFacts, session: PackageSession) -> Iterable[str]:
    """Add all that is not known yet; yield what contradicts what is, so that the rest counts."""
    package_id = session.service_package_id
    for fact in SessionFacts(session.completed, session.evaluated, session.voided):
        try:
            add_fact(facts, package_id, package_fact_key(package_id, fact), fact)
        except FactContradictedError as error:
            yield str(error)
