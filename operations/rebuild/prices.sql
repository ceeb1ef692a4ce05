-- What is owed, at the prices in force when it fell due.
SELECT owed.place, price.amount_minor, price.currency
FROM unnest(%(mentors)s::text[], %(codes)s::text[], %(occurred)s::timestamptz[])
    WITH ORDINALITY AS owed (mentor_id, price_code, occurred_at, place)
CROSS JOIN LATERAL (
    SELECT amount_minor, currency::text AS currency
    FROM mentor_prices
    WHERE mentor_prices.mentor_id = owed.mentor_id
      AND mentor_prices.price_code = owed.price_code
      AND effective_from <= owed.occurred_at
    ORDER BY effective_from DESC
    LIMIT 1
) AS price
ORDER BY owed.place
