-- Keeps the times of an exception true, whoever writes it: updated_at is the last change, and
-- resolved_at stands exactly while the exception is resolved or dismissed.
CREATE FUNCTION touch_billing_exception() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    IF NEW.status IN ('retrying', 'failed') THEN
        NEW.resolved_at := NULL;
        NEW.resolution := NULL;
    ELSIF NEW.resolved_at IS NULL THEN
        NEW.resolved_at := NEW.updated_at;
    END IF;
    IF NEW.status <> 'retrying' THEN
        NEW.next_attempt_at := NULL;
    END IF;
    RETURN NEW;
END
$$;
