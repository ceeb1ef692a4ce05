"""`outbox replay`, and the one sender of events by hand."""
