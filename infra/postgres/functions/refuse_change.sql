-- Refuses whatever statement it is attached to; the trigger's argument says what to do instead.
-- Privileges would not do: they bind neither the owner nor a superuser.
CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = TG_ARGV[0],
        DETAIL = format(
            '%s on %I is refused for every role, its owner included.', TG_OP, TG_TABLE_NAME
        ),
        SCHEMA = TG_TABLE_SCHEMA,
        TABLE = TG_TABLE_NAME;
END
$$;
