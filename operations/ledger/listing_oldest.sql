-- Parameter: entries_max: int or null.
, listed AS (
    SELECT * FROM chosen ORDER BY posted_at, id LIMIT %(entries_max)s::int
)
