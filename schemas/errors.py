"""What can be wrong with a record from outside."""


class SchemaError(Exception):
    """A record is not what its schema says; the message names the record and what to do."""


class Undecodable(SchemaError):  # noqa: N818 - named as in billing_exceptions.reason
    """The bytes are not a record of the expected schema; they will never be, so don't retry."""


class UnknownEventType(SchemaError):  # noqa: N818 - named as in billing_exceptions.reason
    """No schema in schemas/events has this name."""


class UnknownFingerprint(SchemaError):  # noqa: N818 - beside its siblings
    """A whole record, written with a schema that this release does not know.

    Somebody runs a newer release: upgrade this process. It must stop, never drop the record.
    """
