-- Events by their ids and times, which is quicker than by their ids: `named_event`. First part of a
-- statement, as subject.sql is.
--
-- Parameters: ids: uuid[]; times: created_at of each, in the same order.
WITH named_event AS MATERIALIZED (
    SELECT id, created_at
    FROM unnest(%(ids)s::uuid[], %(times)s::timestamptz[]) AS known (id, created_at)
)
