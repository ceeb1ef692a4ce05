-- Takes the events of a day that has no partition, so that an application's insert never fails for
-- want of one.
CREATE TABLE domain_events_default PARTITION OF domain_events DEFAULT;

CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON domain_events_default
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('the default partition of domain_events is not truncated');
ALTER TABLE domain_events_default ENABLE ALWAYS TRIGGER refuse_truncate;
