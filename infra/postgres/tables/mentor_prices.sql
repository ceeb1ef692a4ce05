-- What a mentor is paid for a session type or a package, from when on. Append-only: a new price is
-- a new row, and a bill keeps the price it was posted with.
CREATE TABLE mentor_prices (
    mentor_id text NOT NULL CHECK (mentor_id <> ''),
    price_code text NOT NULL CHECK (price_code <> ''),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    effective_from timestamptz NOT NULL,
    PRIMARY KEY (mentor_id, price_code, effective_from),
    -- Clients hold times of the years 1 to 9999, in any time zone.
    CONSTRAINT effective_from_year CHECK (
        effective_from >= '0002-01-01 00:00:00+00' AND effective_from < '9999-01-01 00:00:00+00'
    )
);

COMMENT ON COLUMN mentor_prices.price_code IS
    'sessionType of a session, or packageCode of a package.';
COMMENT ON COLUMN mentor_prices.amount_minor IS 'In minor units of the currency (cents).';

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON mentor_prices
    FOR EACH ROW
    EXECUTE FUNCTION refuse_change('a price is never changed: insert one that is effective later');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON mentor_prices
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('a price is never changed: insert one that is effective later');

ALTER TABLE mentor_prices ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mentor_prices ENABLE ALWAYS TRIGGER refuse_statement;
