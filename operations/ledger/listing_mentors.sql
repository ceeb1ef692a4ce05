-- Parameter: mentors_max: int, how many of each currency; those to whom most is owed.
, owed AS (
    SELECT
        currency, mentor_id, count(*) AS entries, sum(amount_minor) AS net_minor,
        row_number() OVER (PARTITION BY currency ORDER BY sum(amount_minor) DESC, mentor_id)
            AS place
    FROM chosen
    GROUP BY currency, mentor_id
)
SELECT currency, mentor_id, entries, net_minor
FROM owed
WHERE place <= %(mentors_max)s::int
ORDER BY currency, place
