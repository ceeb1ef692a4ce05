SELECT
    chosen.currency,
    count(*) AS entries,
    coalesce(sum(amount_minor) FILTER (WHERE kind <> 'reversal'), 0) AS posted_minor,
    coalesce(sum(amount_minor) FILTER (WHERE kind = 'reversal'), 0) AS reversed_minor,
    sum(amount_minor) AS net_minor
FROM chosen
GROUP BY chosen.currency
ORDER BY chosen.currency
