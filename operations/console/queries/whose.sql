-- Whose event it is. Parameter: event: uuid.
SELECT aggregate_type, aggregate_id FROM recorded_events WHERE id = %(event)s
