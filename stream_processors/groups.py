"""The consumer groups: their committed offsets say how far each stage has come."""

PROCESSORS_GROUP = "outbox-billing"
PAYABLES_GROUP = "outbox-ledger-payables"
DEAD_LETTERS_GROUP = "outbox-ledger-dead-letters"
RECEIPTS_GROUP = "outbox-ledger-receipts"
