"""The consumer groups of the ledger writer: their committed offsets say what it has finished."""

PAYABLES_GROUP = "outbox-ledger-payables"
DEAD_LETTERS_GROUP = "outbox-ledger-dead-letters"
RECEIPTS_GROUP = "outbox-ledger-receipts"
