"""The consumer groups, and what each reads: committed offsets say how far a stage has come."""

from schemas.topics import DEAD_LETTERS, EVENT_TOPICS, EVENTS_SESSION, PACKAGE_SESSIONS, PAYABLES

PROCESSORS_GROUP = "outbox-billing"
PAYABLES_GROUP = "outbox-ledger-payables"
DEAD_LETTERS_GROUP = "outbox-ledger-dead-letters"
RECEIPTS_GROUP = "outbox-ledger-receipts"
NOTIFICATIONS_GROUP = "outbox-notifications"
"""What the groups of the notifications begin with: best effort, so nobody waits for them."""

LEDGER_WRITER_READS: dict[str, tuple[str, ...]] = {
    PAYABLES_GROUP: (PAYABLES.name,),
    DEAD_LETTERS_GROUP: (DEAD_LETTERS.name,),
    RECEIPTS_GROUP: EVENT_TOPICS,
}
PROCESSORS_READ = (EVENTS_SESSION.name, PACKAGE_SESSIONS.name)
