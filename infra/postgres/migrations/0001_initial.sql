-- Generated from the object files by `python -m infra.postgres.migrate --write-initial`.
-- The file of an object says what it is for; change it there.

SET LOCAL check_function_bodies = off;

-- functions/check_inserted_event.sql
-- Refuses an event that breaks its contract, inside the transaction that writes it.
-- It runs with its owner's rights, so that an application needs none on the checking functions.
CREATE FUNCTION check_inserted_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $$
BEGIN
    PERFORM check_domain_event(NEW.aggregate_type, NEW.aggregate_id, NEW.event_type, NEW.payload);
    RETURN NEW;
END
$$;

-- functions/counting_session_event.sql
-- Which event of one kind counts for a session: of those not voided, the one with the smallest id
-- (INTERFACE: "What is billed"). No row where there is none.
CREATE FUNCTION counting_session_event(wanted_session text, wanted_type text)
    RETURNS TABLE (id uuid, payload jsonb)
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
    SELECT event.id, event.payload
    FROM domain_events AS event
    WHERE event.aggregate_type = 'session'
      AND event.aggregate_id = wanted_session
      AND event.event_type = wanted_type
      AND NOT EXISTS (
          SELECT FROM domain_events AS decision
          WHERE decision.aggregate_type = 'session'
            AND decision.aggregate_id = wanted_session
            AND decision.event_type = 'services.session.voided'
            AND lower(decision.payload ->> 'eventId') = event.id::text
      )
    ORDER BY event.id
    LIMIT 1
$$;

-- functions/create_partition.sql
-- Makes the partition of one UTC day and says whether it did. It never fails for want of a partition:
-- where it cannot be made now, a NOTICE says why, and rows of that day go to (or stay in) the default
-- partition, where every query still finds them.
CREATE FUNCTION create_partition(parent text, day date) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
    -- It waits for whoever reads the default partition, and readers queue up behind it meanwhile.
    SET lock_timeout = '5s'
    AS $$
DECLARE
    partition text := parent || '_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(format('public.%I', partition)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)',
        partition, parent,
        day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC'
    );
    -- Row triggers come with the parent, a statement trigger does not.
    EXECUTE format(
        'CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON public.%I FOR EACH STATEMENT '
        'EXECUTE FUNCTION refuse_change(%L)',
        partition, 'a day of ' || parent || ' is not truncated: drop its partition'
    );
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER refuse_truncate', partition);
    RETURN true;
EXCEPTION
    WHEN check_violation THEN
        RAISE NOTICE 'no partition % was made: the default partition already holds rows of that day, '
            'and they stay there', partition;
        RETURN false;
    WHEN lock_not_available THEN
        RAISE NOTICE 'no partition % was made: the default partition is in use; call create_partitions '
            'again later', partition;
        RETURN false;
END
$$;

-- functions/create_partitions.sql
-- Makes the daily partitions from today (UTC) to days_ahead days from now, where they are missing,
-- and returns how many it made. Calls may overlap and be repeated.
CREATE FUNCTION create_partitions(days_ahead int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    parent text;
    ahead int;
    made int := 0;
BEGIN
    IF days_ahead IS NULL OR days_ahead < 0 THEN
        RAISE EXCEPTION 'create_partitions: days_ahead must be 0 or more, not %', days_ahead
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- One at a time; the key is only this function's.
    PERFORM pg_advisory_xact_lock(hashtextextended('outbox.create_partitions', 0));
    FOREACH parent IN ARRAY ARRAY['domain_events', 'domain_event_deliveries'] LOOP
        FOR ahead IN 0..days_ahead LOOP
            made := made + create_partition(parent, today + ahead)::int;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;

-- functions/domain_event_billing.sql
-- What has become of an event's bill: the column `billing` of domain_event_status.
-- A second statement of the rules in INTERFACE.md, on purpose: it shares nothing with the code that
-- bills, reads only what was committed, and so shows where that code lags or errs.
CREATE FUNCTION domain_event_billing(
    event_id uuid, event_type text, aggregate_id text, payload jsonb
) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    completed record;
    evaluated record;
    package text;
    exception_status text;
    package_complete boolean;
BEGIN
    IF event_type NOT IN ('services.session.completed', 'services.session.evaluated') THEN
        RETURN 'not_billable';
    END IF;

    SELECT * INTO completed
    FROM counting_session_event(aggregate_id, 'services.session.completed');
    SELECT * INTO evaluated
    FROM counting_session_event(aggregate_id, 'services.session.evaluated');
    package := completed.payload ->> 'servicePackageId';

    -- An event that does not count has no part in the bill: only an exception of its own matters.
    IF event_id IS DISTINCT FROM completed.id AND event_id IS DISTINCT FROM evaluated.id THEN
        RETURN coalesce(exception_of_bill(event_id, NULL, NULL), 'not_billable');
    END IF;

    exception_status := exception_of_bill(event_id, aggregate_id, package);
    IF exception_status IS NOT NULL THEN
        RETURN exception_status;
    ELSIF completed.id IS NULL THEN
        RETURN 'waiting_completion';
    ELSIF event_id = evaluated.id AND NOT (completed.payload ->> 'requiredEvaluation')::boolean THEN
        RETURN 'not_billable';
    ELSIF session_is_billed(aggregate_id) THEN
        RETURN 'billed';
    ELSIF (completed.payload ->> 'requiredEvaluation')::boolean AND evaluated.id IS NULL THEN
        RETURN 'waiting_evaluation';
    ELSIF package IS NULL THEN
        RETURN 'due';
    END IF;

    SELECT member.complete INTO package_complete
    FROM package_members(package) AS member
    WHERE member.session_id = aggregate_id;
    RETURN CASE
        WHEN package_complete THEN 'due'
        WHEN NOT package_complete THEN 'waiting_package'
        -- On other terms, or one beyond the total: an exception says so as soon as it is decided.
        ELSE 'not_billable'
    END;
END
$$;

-- functions/domain_event_id.sql
-- The identity of an event: a version 7 UUID, so that ids sort by the time they were made.
-- PostgreSQL 18 makes them itself (strictly ascending within a session); for 14 to 17 they are put
-- together here after RFC 9562, section 6.2, method 3: 48 bits of milliseconds, then 12 bits with
-- the microseconds of that millisecond, then 62 random bits.
DO $create$
BEGIN
    IF to_regprocedure('pg_catalog.uuidv7()') IS NOT NULL THEN
        CREATE FUNCTION domain_event_id() RETURNS uuid
            LANGUAGE sql VOLATILE PARALLEL SAFE
            AS 'SELECT uuidv7()';
    ELSE
        CREATE FUNCTION domain_event_id() RETURNS uuid
            LANGUAGE plpgsql VOLATILE PARALLEL SAFE
            AS $body$
            DECLARE
                microseconds bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
                milliseconds bytea := substring(int8send(microseconds / 1000) FROM 3 FOR 6);
                fraction int := (microseconds % 1000) * 4096 / 1000;
            BEGIN
                -- The rest of a version 4 UUID already holds the variant and the random bits.
                RETURN encode(
                    overlay(
                        uuid_send(gen_random_uuid())
                        PLACING milliseconds || substring(int4send(28672 + fraction) FROM 3 FOR 2)
                        FROM 1 FOR 8
                    ),
                    'hex'
                )::uuid;
            END
            $body$;
    END IF;
END
$create$;

-- functions/exception_of_bill.sql
-- Status of the open or dismissed exception that keeps an event, or its session's or package's bill,
-- from the ledger; null where there is none. What a person must look at comes first.
-- A conflict is about the event it names: the bill of the events that agree does not wait for it.
CREATE FUNCTION exception_of_bill(wanted_event uuid, wanted_session text, wanted_package text)
    RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
    SELECT status
    FROM billing_exceptions
    WHERE status <> 'resolved'
      AND (source_event_id = wanted_event
           OR (reason NOT IN ('session_conflict', 'package_conflict', 'package_exceeded')
               AND ((kind = 'session' AND subject = wanted_session)
                    OR (kind = 'package' AND subject = wanted_package))))
    ORDER BY array_position(ARRAY['failed', 'retrying', 'dismissed'], status)
    LIMIT 1
$$;

-- functions/package_members.sql
-- The sessions that count toward a package, smallest completed event first, at most as many as its
-- total; `complete` says on every row whether that many are there (INTERFACE: "What is billed").
CREATE FUNCTION package_members(wanted_package text)
    RETURNS TABLE (session_id text, complete boolean)
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
    WITH candidate AS (
        SELECT named.session_id, completed.id, completed.payload
        FROM (
            SELECT DISTINCT event.aggregate_id AS session_id
            FROM domain_events AS event
            WHERE event.payload ->> 'servicePackageId' = wanted_package
              AND event.event_type = 'services.session.completed'
        ) AS named
        CROSS JOIN LATERAL
            counting_session_event(named.session_id, 'services.session.completed') AS completed
        WHERE completed.payload ->> 'servicePackageId' = wanted_package
    ),
    terms AS (
        SELECT payload, (payload ->> 'packageTotalSessions')::numeric AS total
        FROM candidate
        ORDER BY id
        LIMIT 1
    ),
    billable AS (
        SELECT candidate.session_id, terms.total, row_number() OVER (ORDER BY candidate.id) AS place
        FROM candidate
        CROSS JOIN terms
        WHERE (candidate.payload -> 'mentorId', candidate.payload -> 'contractId',
               candidate.payload -> 'studentId', candidate.payload -> 'packageCode',
               candidate.payload -> 'packageTotalSessions')
            = (terms.payload -> 'mentorId', terms.payload -> 'contractId',
               terms.payload -> 'studentId', terms.payload -> 'packageCode',
               terms.payload -> 'packageTotalSessions')
          AND (NOT (candidate.payload ->> 'requiredEvaluation')::boolean
               OR EXISTS (
                   SELECT
                   FROM counting_session_event(candidate.session_id, 'services.session.evaluated')
               ))
    )
    SELECT billable.session_id, count(*) OVER () >= billable.total
    FROM billable
    WHERE billable.place <= billable.total
$$;

-- functions/prepare_ledger_entry.sql
-- What a new ledger entry must satisfy beyond its own row.
-- posted_at is the database's clock, whatever the client says. A reversal takes back exactly one
-- entry: same parties, same subject, same currency, the amount negated. A correction replaces an
-- entry that has been reversed.
CREATE FUNCTION prepare_ledger_entry() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    reversed mentor_payable_ledgers;
BEGIN
    NEW.posted_at := clock_timestamp();
    IF NEW.kind = 'reversal' AND NEW.reverses IS NOT NULL THEN
        SELECT * INTO reversed FROM mentor_payable_ledgers WHERE id = NEW.reverses;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'ledger entry % cannot be reversed: there is no such entry', NEW.reverses
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, COLUMN = 'reverses';
        ELSIF reversed.kind = 'reversal' THEN
            RAISE EXCEPTION 'ledger entry % cannot be reversed: it is a reversal itself', NEW.reverses
                USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, COLUMN = 'reverses',
                HINT = 'Post a correction instead.';
        ELSIF (NEW.mentor_id, NEW.contract_id, NEW.student_id, NEW.session_id,
               NEW.service_package_id, NEW.currency, NEW.amount_minor)
            IS DISTINCT FROM
              (reversed.mentor_id, reversed.contract_id, reversed.student_id, reversed.session_id,
               reversed.service_package_id, reversed.currency, -reversed.amount_minor) THEN
            RAISE EXCEPTION 'the reversal of ledger entry % differs from it', NEW.reverses
                USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME,
                HINT = 'Copy mentor, contract, student, session, package and currency, '
                       'and negate the amount.';
        END IF;
    ELSIF NEW.kind = 'correction' AND NOT EXISTS (
        SELECT FROM mentor_payable_ledgers AS reversal
        WHERE reversal.kind = 'reversal'
          AND (reversal.session_id = NEW.session_id
               OR reversal.service_package_id = NEW.service_package_id)
    ) THEN
        RAISE EXCEPTION 'ledger entry % corrects nothing: no entry of its session or package is reversed',
            NEW.id
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME,
            HINT = 'Post the reversal first, in the same transaction.';
    END IF;
    RETURN NEW;
END
$$;

-- functions/prepare_ledger_entry_session.sql
-- A session can be paid by one unreversed entry only. The revision is counted here: 0 for the first
-- entry that pays the session, 1 for its correction, and so on. Of two transactions that pay the
-- same session at once, the primary key (session_id, revision) stops the second.
-- An entry is never deleted, so that looking it up once, here, does what a foreign key would, without
-- its lock on every ledger row.
CREATE FUNCTION prepare_ledger_entry_session() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
    AS $$
DECLARE
    paying_entry uuid;
BEGIN
    IF NOT EXISTS (
        SELECT FROM mentor_payable_ledgers WHERE id = NEW.entry_id AND kind <> 'reversal'
    ) THEN
        RAISE EXCEPTION 'session % cannot be paid by %: there is no such ledger entry, or it is a reversal',
            NEW.session_id, NEW.entry_id
            USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, COLUMN = 'entry_id';
    END IF;
    SELECT count(*), (array_agg(paid.entry_id) FILTER (WHERE reversal.id IS NULL))[1]
    INTO NEW.revision, paying_entry
    FROM ledger_entry_sessions AS paid
    LEFT JOIN mentor_payable_ledgers AS reversal ON reversal.reverses = paid.entry_id
    WHERE paid.session_id = NEW.session_id;
    IF paying_entry IS NOT NULL THEN
        RAISE EXCEPTION 'session % is already paid by ledger entry %', NEW.session_id, paying_entry
            USING ERRCODE = 'unique_violation', TABLE = TG_TABLE_NAME,
            CONSTRAINT = 'ledger_entry_sessions_pkey',
            HINT = 'Reverse that entry first.';
    END IF;
    RETURN NEW;
END
$$;

-- functions/refuse_change.sql
-- Refuses whatever statement it is attached to; the trigger's argument says what to do instead.
-- Privileges would not do: they bind neither the owner nor a superuser.
CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = TG_ARGV[0],
        DETAIL = format('%s on %I is refused for every role, its owner included.', TG_OP, TG_TABLE_NAME),
        SCHEMA = TG_TABLE_SCHEMA,
        TABLE = TG_TABLE_NAME;
END
$$;

-- functions/session_is_billed.sql
-- Whether an entry that has not been reversed pays the session.
CREATE FUNCTION session_is_billed(wanted_session text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
    SELECT EXISTS (
        SELECT
        FROM ledger_entry_sessions AS paid
        WHERE paid.session_id = wanted_session
          AND NOT EXISTS (
              SELECT FROM mentor_payable_ledgers AS reversal
              WHERE reversal.reverses = paid.entry_id
          )
    )
$$;

-- functions/touch_billing_exception.sql
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

-- tables/billing_exceptions.sql
-- Whatever could not be billed, and what became of it. Nothing else waits behind a row of this table.
CREATE TABLE billing_exceptions (
    id uuid PRIMARY KEY,
    reason text NOT NULL CHECK (reason IN (
        'price_missing', 'database_unavailable', 'timeout',
        'undecodable', 'unknown_event_type', 'session_conflict', 'package_conflict',
        'package_exceeded', 'ledger_conflict', 'unprocessable'
    )),
    status text NOT NULL CHECK (status IN ('retrying', 'failed', 'resolved', 'dismissed')),
    attempts int NOT NULL DEFAULT 1 CHECK (attempts >= 0),
    next_attempt_at timestamptz,
    first_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_error text,
    subject text NOT NULL,
    kind text CHECK (kind IN ('session', 'package')),
    source_event_id uuid,
    basis int NOT NULL DEFAULT 0 CHECK (basis >= 0),
    record jsonb,
    resolved_at timestamptz,
    resolution text,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Without a time it would wait for ever.
    CONSTRAINT retrying_has_a_time CHECK (status <> 'retrying' OR next_attempt_at IS NOT NULL),
    CONSTRAINT dismissed_for_a_reason CHECK (
        status <> 'dismissed' OR coalesce(resolution, '') ~ '\S'
    )
);

COMMENT ON COLUMN billing_exceptions.id IS
    'uuid5 of reason, subject and event: a redelivery updates, never adds.';
COMMENT ON COLUMN billing_exceptions.subject IS
    'Session id or package id where kind says so; otherwise what else it is about.';
COMMENT ON COLUMN billing_exceptions.basis IS
    'Number of facts it was decided on: a report with fewer is stale.';
COMMENT ON COLUMN billing_exceptions.record IS
    'What could not be billed; bytes that are not text in base64.';
COMMENT ON COLUMN billing_exceptions.resolution IS 'How it ended, or why it was dismissed.';

CREATE INDEX billing_exceptions_retrying_index ON billing_exceptions (status, next_attempt_at)
    WHERE status = 'retrying';
CREATE INDEX billing_exceptions_failed_index ON billing_exceptions (source_event_id)
    WHERE status = 'failed';
CREATE INDEX billing_exceptions_event_index ON billing_exceptions (source_event_id);
CREATE INDEX billing_exceptions_subject_index ON billing_exceptions (subject);

CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON billing_exceptions
    FOR EACH ROW EXECUTE FUNCTION touch_billing_exception();

-- tables/domain_event_deliveries.sql
-- Receipts: where and when the ledger writer saw an event in Kafka. An event without one after some
-- seconds is not delivered. Partitioned as domain_events is, so that receipts go with their day.
CREATE TABLE domain_event_deliveries (
    event_id uuid NOT NULL,
    event_created_at timestamptz NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (event_id, event_created_at)
) PARTITION BY RANGE (event_created_at);

COMMENT ON COLUMN domain_event_deliveries.event_created_at IS 'created_at of the event.';
COMMENT ON COLUMN domain_event_deliveries.published_at IS 'When the event was first seen in Kafka.';

-- tables/domain_event_deliveries_default.sql
-- Takes the receipts of a day that has no partition.
CREATE TABLE domain_event_deliveries_default PARTITION OF domain_event_deliveries DEFAULT;

-- tables/domain_events.sql
-- What an application writes for us, in the transaction of its business change. One partition a day
-- (UTC), made by create_partitions, so that old days are dropped whole.
CREATE TABLE domain_events (
    id uuid NOT NULL DEFAULT domain_event_id(),
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    event_type text NOT NULL,
    payload jsonb NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id, created_at),
    CONSTRAINT traceparent_length CHECK (length(traceparent) <= 255)
) PARTITION BY RANGE (created_at);

COMMENT ON TABLE domain_events IS 'Insert here what happened; everything else follows from it.';
COMMENT ON COLUMN domain_events.id IS 'The identity of the event everywhere; belongs to the database.';
COMMENT ON COLUMN domain_events.aggregate_type IS 'Routes the event to the topic events.<aggregate_type>.';
COMMENT ON COLUMN domain_events.aggregate_id IS 'Key in Kafka: events of one aggregate keep their order.';
COMMENT ON COLUMN domain_events.traceparent IS 'W3C trace context, if the application has one.';
COMMENT ON COLUMN domain_events.created_at IS 'Clock of the database at the insert; belongs to the database.';

CREATE INDEX domain_events_aggregate_index ON domain_events (aggregate_type, aggregate_id, id);

-- With the id beside it, the figures of the last hour are read from this index alone.
CREATE INDEX domain_events_created_index ON domain_events (created_at, id);

-- History is asked for by these three; events without the field cost nothing here.
CREATE INDEX domain_events_contract_index ON domain_events ((payload ->> 'contractId'))
    WHERE payload ->> 'contractId' IS NOT NULL;
CREATE INDEX domain_events_package_index ON domain_events ((payload ->> 'servicePackageId'))
    WHERE payload ->> 'servicePackageId' IS NOT NULL;
CREATE INDEX domain_events_mentor_index ON domain_events ((payload ->> 'mentorId'))
    WHERE payload ->> 'mentorId' IS NOT NULL;

CREATE TRIGGER check_event BEFORE INSERT ON domain_events
    FOR EACH ROW EXECUTE FUNCTION check_inserted_event();

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON domain_events
    FOR EACH ROW
    EXECUTE FUNCTION refuse_change('an event is never changed: it happened; old days are dropped whole');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON domain_events
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('an event is never changed: it happened; old days are dropped whole');

-- ALWAYS: a session may not switch them off with session_replication_role.
ALTER TABLE domain_events ENABLE ALWAYS TRIGGER check_event;
ALTER TABLE domain_events ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE domain_events ENABLE ALWAYS TRIGGER refuse_statement;

-- tables/domain_events_default.sql
-- Takes the events of a day that has no partition: an application's insert never fails for want of one.
CREATE TABLE domain_events_default PARTITION OF domain_events DEFAULT;

CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON domain_events_default
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('the default partition of domain_events is not truncated');
ALTER TABLE domain_events_default ENABLE ALWAYS TRIGGER refuse_truncate;

-- tables/ledger_entry_sessions.sql
-- The sessions that an entry pays: one for a session, all members for a package.
CREATE TABLE ledger_entry_sessions (
    entry_id uuid NOT NULL,
    session_id text NOT NULL,
    revision int NOT NULL,
    PRIMARY KEY (session_id, revision)
);

COMMENT ON COLUMN ledger_entry_sessions.revision IS
    'How many entries paid this session before; set by the database.';

CREATE INDEX ledger_entry_sessions_entry_index ON ledger_entry_sessions (entry_id);

CREATE TRIGGER prepare_entry_session BEFORE INSERT ON ledger_entry_sessions
    FOR EACH ROW EXECUTE FUNCTION prepare_ledger_entry_session();

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON ledger_entry_sessions
    FOR EACH ROW
    EXECUTE FUNCTION refuse_change('the ledger is immutable: correct it with a reversal');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry_sessions
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('the ledger is immutable: correct it with a reversal');

ALTER TABLE ledger_entry_sessions ENABLE ALWAYS TRIGGER prepare_entry_session;
ALTER TABLE ledger_entry_sessions ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger_entry_sessions ENABLE ALWAYS TRIGGER refuse_statement;

-- tables/mentor_payable_ledgers.sql
-- What is owed to mentors. Immutable: a wrong entry is taken back by a reversal, and replaced, if at
-- all, by a correction posted in the same transaction.
-- `reverses` is set on a reversal only: a correction replaces an entry, but it is the reversal that
-- takes it back. So an entry is reversed exactly if some row's `reverses` names it, and at most one
-- does; what a correction replaces is the reversed entry of the same session or package.
CREATE TABLE mentor_payable_ledgers (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('session', 'package', 'reversal', 'correction')),
    mentor_id text NOT NULL,
    contract_id text NOT NULL,
    student_id text NOT NULL,
    session_id text,
    service_package_id text,
    amount_minor bigint NOT NULL,
    currency char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    price_effective_from timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    source_event_id uuid NOT NULL,
    reverses uuid REFERENCES mentor_payable_ledgers (id),
    posted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT session_or_package CHECK (num_nonnulls(session_id, service_package_id) = 1),
    CONSTRAINT kind_of_subject CHECK (
        (kind <> 'session' OR session_id IS NOT NULL)
        AND (kind <> 'package' OR service_package_id IS NOT NULL)
    ),
    CONSTRAINT sign_of_amount CHECK (
        CASE kind WHEN 'reversal' THEN amount_minor < 0 ELSE amount_minor > 0 END
    ),
    CONSTRAINT reverses_by_kind CHECK ((kind = 'reversal') = (reverses IS NOT NULL))
);

COMMENT ON COLUMN mentor_payable_ledgers.id IS
    'uuid5 of the session or package, and of the revision for a correction.';
COMMENT ON COLUMN mentor_payable_ledgers.amount_minor IS
    'In minor units of the currency; negative for a reversal.';
COMMENT ON COLUMN mentor_payable_ledgers.occurred_at IS 'When it became billable.';
COMMENT ON COLUMN mentor_payable_ledgers.source_event_id IS 'The event that made it billable.';
COMMENT ON COLUMN mentor_payable_ledgers.reverses IS 'The entry that a reversal takes back.';

CREATE UNIQUE INDEX mentor_payable_ledgers_reversed_once ON mentor_payable_ledgers (reverses)
    WHERE reverses IS NOT NULL;
CREATE INDEX mentor_payable_ledgers_session_index ON mentor_payable_ledgers (session_id)
    WHERE session_id IS NOT NULL;
CREATE INDEX mentor_payable_ledgers_package_index ON mentor_payable_ledgers (service_package_id)
    WHERE service_package_id IS NOT NULL;
CREATE INDEX mentor_payable_ledgers_contract_index ON mentor_payable_ledgers (contract_id);
CREATE INDEX mentor_payable_ledgers_mentor_index ON mentor_payable_ledgers (mentor_id, posted_at);

CREATE TRIGGER prepare_entry BEFORE INSERT ON mentor_payable_ledgers
    FOR EACH ROW EXECUTE FUNCTION prepare_ledger_entry();

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON mentor_payable_ledgers
    FOR EACH ROW
    EXECUTE FUNCTION refuse_change('the ledger is immutable: correct it with a reversal');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON mentor_payable_ledgers
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('the ledger is immutable: correct it with a reversal');

ALTER TABLE mentor_payable_ledgers ENABLE ALWAYS TRIGGER prepare_entry;
ALTER TABLE mentor_payable_ledgers ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mentor_payable_ledgers ENABLE ALWAYS TRIGGER refuse_statement;

-- tables/mentor_prices.sql
-- What a mentor is paid for a session type or a package, from when on. Append-only: a new price is a
-- new row, and a bill keeps the price it was posted with.
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

COMMENT ON COLUMN mentor_prices.price_code IS 'sessionType of a session, or packageCode of a package.';
COMMENT ON COLUMN mentor_prices.amount_minor IS 'In minor units of the currency (cents).';

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON mentor_prices
    FOR EACH ROW
    EXECUTE FUNCTION refuse_change('a price is never changed: insert one with a later effective_from');
CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON mentor_prices
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('a price is never changed: insert one with a later effective_from');

ALTER TABLE mentor_prices ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mentor_prices ENABLE ALWAYS TRIGGER refuse_statement;

-- views/domain_event_status.sql
-- Every event with what became of it: seen in Kafka or not, billed or not, how often tried.
-- Made for two uses: the figures of the last hour over millions of rows (so status costs one join and
-- one hashed look-up), and the history of one contract, session, package or mentor (so everything
-- else is looked up row by row, and only where it is selected).
CREATE VIEW domain_event_status AS
SELECT
    event.id,
    event.aggregate_type,
    event.aggregate_id,
    event.event_type,
    event.payload,
    CASE
        WHEN EXISTS (
            SELECT
            FROM billing_exceptions AS problem
            WHERE problem.source_event_id = event.id
              AND problem.status = 'failed'
        ) THEN 'failed'
        WHEN receipt.published_at IS NOT NULL THEN 'published'
        ELSE 'pending'
    END AS status,
    domain_event_billing(event.id, event.event_type, event.aggregate_id, event.payload) AS billing,
    -- The first attempt is no retry.
    coalesce(
        (
            SELECT greatest(max(problem.attempts) - 1, 0)
            FROM billing_exceptions AS problem
            WHERE problem.source_event_id = event.id
        ),
        0
    ) AS retry_count,
    event.created_at,
    receipt.published_at,
    (
        SELECT problem.last_error
        FROM billing_exceptions AS problem
        WHERE problem.source_event_id = event.id
          AND problem.status <> 'resolved'
        ORDER BY problem.updated_at DESC
        LIMIT 1
    ) AS last_error
FROM domain_events AS event
LEFT JOIN domain_event_deliveries AS receipt
    -- On both columns: so that the receipts of an event are looked for in its own day only.
    ON receipt.event_id = event.id AND receipt.event_created_at = event.created_at;

COMMENT ON VIEW domain_event_status IS
    'pending: committed, not yet seen in Kafka; published: seen there; failed: a person must look.';

-- publications/outbox_events.sql
-- What the connector reads. Inserts only: nothing else ever happens to an event, and dropping a day
-- must not reach Kafka. Under the root's name, so that a new partition needs no new publication.
CREATE PUBLICATION outbox_events FOR TABLE domain_events
    WITH (publish = 'insert', publish_via_partition_root = true);

-- grants/everyone.sql
-- Nobody may do anything that is not granted by name in this folder. PostgreSQL lets everyone
-- execute a new function; here it does not, now or later.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC;

-- grants/outbox_application.sql
-- Content columns only: on a partitioned table a chosen id could come twice, and created_at is the
-- database's clock. SELECT on the other two so that INSERT … RETURNING id, created_at works.
GRANT USAGE ON SCHEMA public TO outbox_application;
GRANT INSERT (aggregate_type, aggregate_id, event_type, payload, traceparent)
    ON domain_events TO outbox_application;
GRANT SELECT (id, created_at) ON domain_events TO outbox_application;
-- The default of id runs with the rights of whoever inserts.
GRANT EXECUTE ON FUNCTION domain_event_id() TO outbox_application;

-- grants/outbox_auditor.sql
-- Reads everything. The functions are those of the view's column `billing`, which run with the rights
-- of whoever selects it.
GRANT USAGE ON SCHEMA public TO outbox_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO outbox_auditor;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO outbox_auditor;
GRANT EXECUTE ON FUNCTION
    domain_event_billing(uuid, text, text, jsonb), package_members(text),
    counting_session_event(text, text), exception_of_bill(uuid, text, text), session_is_billed(text)
    TO outbox_auditor;

-- grants/outbox_connector.sql
-- Reads what it publishes, and nothing else.
GRANT USAGE ON SCHEMA public TO outbox_connector;
GRANT SELECT ON domain_events TO outbox_connector;

-- grants/outbox_ledger_writer.sql
-- Posts, receipts, and keeps the exceptions; cannot alter what it posted, nor write an event.
GRANT USAGE ON SCHEMA public TO outbox_ledger_writer;
GRANT SELECT, INSERT ON mentor_payable_ledgers, ledger_entry_sessions, domain_event_deliveries
    TO outbox_ledger_writer;
GRANT SELECT ON mentor_prices TO outbox_ledger_writer;
GRANT SELECT, INSERT, UPDATE ON billing_exceptions TO outbox_ledger_writer;
GRANT SELECT (id, created_at) ON domain_events TO outbox_ledger_writer;

SELECT create_partitions(14);
