-- Parameters: entries_max: int; before: uuid or null, the entry after which the list goes on.
, listed AS (
    SELECT *
    FROM chosen
    WHERE %(before)s::uuid IS NULL OR (posted_at, id) < (
        SELECT posted_at, id FROM mentor_payable_ledgers WHERE id = %(before)s::uuid
    )
    ORDER BY posted_at DESC, id DESC
    LIMIT %(entries_max)s::int
)
