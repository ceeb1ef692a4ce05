-- Parameter: entries_max: int or null.
, listed AS (
    SELECT *, row_number() OVER (ORDER BY posted_at, id) AS place
    FROM chosen
    ORDER BY posted_at, id
    LIMIT %(entries_max)s::int
)
