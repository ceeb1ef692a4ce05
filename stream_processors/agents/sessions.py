"""events.session → what each session's facts make payable, and what its package must know."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from schemas import codec
from schemas.errors import Undecodable, UnknownEventType
from schemas.records import SessionCompleted, SessionEvaluated, SessionVoided
from stream_processors.agents.emitting import package_session_record, payable_record
from stream_processors.agents.facts import FactContradictedError, add_fact, facts_about
from stream_processors.agents.reports import record_report, report_record
from stream_processors.billing.facts import fact_of, gather, session_fact_key
from stream_processors.billing.sessions import decide_session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream_processors.billing.facts import Fact
    from stream_processors.billing.sessions import SessionDecision
    from stream_processors.engine.fact_table import PendingFacts
    from stream_processors.engine.messages import InboundRecord, OutboundRecord


class SessionsAgent:
    """Decides on each event of a session, as soon as it is added to what is known of it."""

    def handle(self, record: InboundRecord, facts: PendingFacts) -> Iterable[OutboundRecord]:
        """Return the payable, the package's facts and the reports that follow from one event."""
        try:
            fact = _decode(record)
            add_fact(facts, fact.session_id, session_fact_key(fact), fact)
        except UnknownEventType as error:
            return [record_report("unknown_event_type", record, str(error), _event_id(record))]
        except Undecodable as error:
            return [record_report("undecodable", record, str(error), _event_id(record))]
        except FactContradictedError as error:
            return [record_report("unprocessable", record, str(error), _event_id(record))]
        known = gather(facts_about(facts, fact.session_id))
        return _emit(decide_session(known))

    def quarantine(self, record: InboundRecord, deaths: int) -> OutboundRecord:
        """Return the report of a record that ended the process `deaths` times."""
        error = f"the processor died {deaths} times of the record at {record.position}"
        return record_report("unprocessable", record, error, _event_id(record))


def _decode(record: InboundRecord) -> Fact:
    event_type, event_id = record.headers.get("eventType"), _event_id(record)
    if event_type is None or event_id is None:
        raise Undecodable(
            f"{record.position} has no header id (a uuid) and eventType: it does not come from "
            "domain_events; insert the event there"
        )
    event = codec.decode_event(event_type.decode(errors="replace"), record.value)
    if not isinstance(event, SessionCompleted | SessionEvaluated | SessionVoided):
        raise UnknownEventType(
            f"{record.position}: {event.event_type} does not belong into {record.topic}"
        )
    if record.key != event.session_id.encode():
        raise Undecodable(
            f"{record.position}: the key {record.key!r} is not the sessionId {event.session_id!r}"
        )
    return fact_of(event, event_id)


def _event_id(record: InboundRecord) -> str | None:
    header = record.headers.get("id")
    try:
        return str(uuid.UUID((header or b"").decode()))
    except ValueError:
        return None


def _emit(decision: SessionDecision) -> Iterable[OutboundRecord]:
    if decision.owed is not None:
        yield payable_record(decision.owed)
    yield from map(package_session_record, decision.package_sessions)
    yield from map(report_record, decision.reports)
