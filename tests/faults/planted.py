"""What is made wrong in evidence of a run that went right: one statement for each violation."""

from __future__ import annotations

from tests.faults.made_evidence import LOST_AT, REPAIR_AT
from tests.faults.site import END

SINGLE = "kind = 'session' AND session_id NOT IN (SELECT subject FROM exceptions)"
ANY_BILL = f"id = (SELECT min(id) FROM ledger WHERE {SINGLE})"
ANY_PACKAGE = (
    "id = (SELECT min(id) FROM ledger WHERE kind = 'package' AND service_package_id NOT IN "
    "(SELECT subject FROM exceptions) AND json_array_length(session_ids) > 1)"
)
COPY_OF_BILL = (
    "INSERT INTO ledger SELECT 'second', kind, mentor_id, contract_id, student_id, session_id, "
    "service_package_id, amount_minor, currency, price_effective_from, occurred_at, "
    f"source_event_id, reverses, session_ids, content FROM ledger WHERE {ANY_BILL}"
)
ANY_ROLLED_BACK = "(SELECT min(id) FROM journal WHERE outcome = 'rolled back')"

PLANTED = {
    "I1 an event that is not in Kafka": (
        "DELETE FROM deliveries WHERE id = (SELECT max(id) FROM deliveries)"
    ),
    "I1 an event that is no longer in the database": (
        "DELETE FROM domain_events WHERE id = (SELECT max(id) FROM domain_events)"
    ),
    "I1 an event with another content": "UPDATE deliveries SET digest = '' WHERE position = 5",
    "I1 an event with another key": "UPDATE deliveries SET key = 'else' WHERE position = 5",
    "I1 an event of another type": "UPDATE deliveries SET event_type = 'x' WHERE position = 5",
    "I1 an event in another topic": "UPDATE deliveries SET topic = 'events.x' WHERE position = 5",
    "I2 a bill that is missing": f"DELETE FROM ledger WHERE {ANY_BILL}",
    "I2 a package's bill that is missing": f"DELETE FROM ledger WHERE {ANY_PACKAGE}",
    "I2 a bill that is there twice": COPY_OF_BILL,
    "I2 a bill for what is not payable": f"UPDATE ledger SET session_id = 'x' WHERE {ANY_BILL}",
    "I2 a bill of another amount": (
        f"UPDATE ledger SET amount_minor = amount_minor + 1 WHERE {ANY_BILL}"
    ),
    "I2 a bill for another mentor": f"UPDATE ledger SET mentor_id = 'x' WHERE {ANY_BILL}",
    "I2 a bill in another currency": f"UPDATE ledger SET currency = 'XXX' WHERE {ANY_BILL}",
    "I2 a bill at another price": (
        f"UPDATE ledger SET price_effective_from = '2019' WHERE {ANY_BILL}"
    ),
    "I2 a bill of another time": f"UPDATE ledger SET occurred_at = '2019' WHERE {ANY_BILL}",
    "I2 a bill because of another event": (
        f"UPDATE ledger SET source_event_id = 'x' WHERE {ANY_PACKAGE}"
    ),
    "I2 a package with another member": (
        f'UPDATE ledger SET session_ids = \'["x", "y"]\' WHERE {ANY_PACKAGE}'
    ),
    "I2 a session that is paid twice": (
        "UPDATE ledger SET session_ids = (SELECT json_array(session_id) FROM ledger "
        f"WHERE {ANY_BILL}) WHERE {ANY_PACKAGE}"
    ),
    "I2 a reversal that nobody made": f"UPDATE ledger SET kind = 'reversal' WHERE {ANY_BILL}",
    "I2 an exception that nothing calls for": (
        "INSERT INTO exceptions VALUES ('x', 'timeout', 'failed', 'x', NULL)"
    ),
    "I2 a ledger conflict where nothing contradicts": (
        "INSERT INTO exceptions SELECT 'x', 'ledger_conflict', 'failed', session_id, NULL "
        f"FROM ledger WHERE {ANY_BILL}"
    ),
    "I2 an event of the application that was taken for poison": (
        "INSERT INTO exceptions SELECT 'x', 'undecodable', 'failed', "
        "topic || '[' || partition || ']@' || position, NULL FROM deliveries WHERE position = 5"
    ),
    "I2 a contradiction that nobody is told of": (
        "DELETE FROM exceptions WHERE reason = 'session_conflict'"
    ),
    "I2 a missing price that nobody is told of": (
        "DELETE FROM exceptions WHERE reason = 'price_missing'"
    ),
    "I2 a price that was set, and the bill not posted": (
        "INSERT INTO prices SELECT 'mentor-without-price', price_code, 1, 'USD', '2000' "
        "FROM prices GROUP BY price_code"
    ),
    "I3 an aggregate in two partitions": (
        "UPDATE deliveries SET partition = 1 WHERE id = (SELECT min(id) FROM journal "
        "WHERE outcome = 'committed' GROUP BY aggregate_type, aggregate_id HAVING count(*) > 1)"
    ),
    "I4 a rolled-back event in Kafka": (
        f"UPDATE deliveries SET id = {ANY_ROLLED_BACK} WHERE position = 5"
    ),
    "I4 a rolled-back event among the receipts": (
        f"INSERT INTO receipts VALUES ({ANY_ROLLED_BACK}, 'events.user', 0, 0)"
    ),
    "I4 a rolled-back event in the database": (
        f"INSERT INTO domain_events VALUES ({ANY_ROLLED_BACK}, 'user', 'u', 'user.signup', '')"
    ),
    "I4 a rolled-back event in the ledger": (
        f"UPDATE ledger SET source_event_id = {ANY_ROLLED_BACK} WHERE {ANY_BILL}"
    ),
    "I4 an event that nobody wrote": (
        "UPDATE deliveries SET id = '00000000-0000-4000-8000-000000000000' WHERE position = 5"
    ),
    "I5 a ledger row that changed": f"UPDATE ledger SET content = 'x' WHERE {ANY_BILL}",
    "I5 a ledger row that is gone": f"DELETE FROM ledger WHERE {ANY_BILL}",
    "I6 a backlog that went late": "UPDATE faults SET recovered_at = ended_at + 61",
    "I6 a backlog that never went": "UPDATE faults SET recovered_at = NULL",
    "I6 a status that is never green again": "UPDATE faults SET green_at = NULL",
    "I6 a status that was green all the while": "UPDATE samples SET unhealthy = ''",
    "I7 a lost position that nobody speaks of": "UPDATE faults SET loud = NULL",
    "I7 a lost position with nothing said of it": "UPDATE faults SET loud = ' '",
    "I7 a slot that is missing while the status is green": (
        "UPDATE samples SET slot = 'missing', unhealthy = ''"
    ),
    "I7 a slot that is lost while the status is green": (
        "UPDATE samples SET slot = 'lost', unhealthy = ''"
    ),
}

# With what is said of it: several rules may speak of one invariant.
PLANTED_AND_SAID = {
    "I1 an event that only a replay brought": (
        "UPDATE deliveries SET replayed = 1 WHERE position = 90",
        "only because somebody sent it again",
    ),
    "I2 a record that cannot be read, and that nobody put there": (
        "INSERT INTO exceptions VALUES ('x', 'undecodable', 'failed', 'billing.payables[0]@7', '')",
        "that nothing calls for",
    ),
    "I6 a last backlog that went late": (
        f"UPDATE faults SET recovered_at = ended_at + 61 WHERE fault_group = '{END}'",
        "the backlog was gone only after 61.0 s",
    ),
    "I6 an event without a receipt": (
        "DELETE FROM receipts WHERE position = 5",
        "has no receipt",
    ),
    "I6 a backlog of which the status says nothing": (
        "UPDATE samples SET oldest_seconds = at - 94, undelivered = 3 WHERE at BETWEEN 94 AND 122",
        "3 events and 0 bills waited, the oldest for 28 s, and the status was green for 22 s",
    ),
    "I6 a status that is red only by the suite's own doing": (
        f"UPDATE samples SET unhealthy = '' WHERE at >= {LOST_AT} AND ended_at <= {REPAIR_AT}",
        "loss: slot: it lasted, and the status was green",
    ),
    "I7 a worker that goes on from a lost position": (
        "UPDATE faults SET silent = 'worker-2' WHERE fault_group = 'loss'",
        "worker-2 went on without a word",
    ),
    "I7 a slot that somebody made anew": (
        f"UPDATE deliveries SET read_at = {REPAIR_AT} - 1 WHERE read_at = {REPAIR_AT} + 0.5",
        "somebody made the position anew",
    ),
    "faults a fault that did not happen": (
        "UPDATE faults SET error = 'NeverHitError' WHERE number = 1",
        "failed: NeverHitError",
    ),
    "faults a run without any": (
        f"DELETE FROM faults WHERE fault_group <> '{END}'",
        "there was no fault at all",
    ),
    "faults a last backlog that nobody waited for": (
        f"DELETE FROM faults WHERE fault_group = '{END}'",
        "the end of the run was not waited for",
    ),
    "faults a process of the application that broke": (
        "INSERT INTO failures VALUES ('application process 0 ended with exit code 70')",
        "application process 0 ended",
    ),
    "faults a lane that falls silent": (
        "UPDATE journal SET outcome = 'lost' WHERE begun_at > 19",
        "lane short0 committed nothing after the last fault began",
    ),
    "faults a lane that never wrote": (
        "INSERT INTO lanes VALUES ('short1', 0, 0, 100)",
        "lane short1 committed nothing",
    ),
    "faults an application that writes too little": (
        "UPDATE lanes SET events_per_second = events_per_second * 2.1",
        "events were committed, where",
    ),
    "faults an application of which nobody knows": (
        "DELETE FROM lanes",
        "where 0 were ordered",
    ),
    "faults a ledger entry that nobody saw": (
        f"DELETE FROM ledger_seen WHERE {ANY_BILL}",
        "was never seen during the run",
    ),
    "faults a while in which nobody looked": (
        "DELETE FROM samples WHERE at BETWEEN 100 AND 140",
        "nobody looked at the status for 42 s",
    ),
}
