-- The seal that holds an entry of the ledger, where one does. Parameter: id: uuid.
SELECT sealed.seal, seals.sealed_at
FROM sealed_ledger_entries AS sealed
JOIN ledger_seals AS seals ON seals.number = sealed.seal
WHERE sealed.entry_id = %(id)s
