"""What can go wrong between a definition and a running connector."""


class ConnectorError(Exception):
    """A connector could not be brought into the state that was asked for."""


class ConnectUnreachableError(ConnectorError):
    """Kafka Connect did not answer at its address."""


class ConnectBusyError(ConnectorError):
    """Kafka Connect was still rebalancing when the time was up."""


class ConnectRefusedError(ConnectorError):
    """Kafka Connect understood the request and refused it."""


class DefinitionInvalidError(ConnectorError):
    """A definition is no connector configuration, or the connector class rejects its values."""


class DatabaseUnreachableError(ConnectorError):
    """The database whose slot must be checked did not answer."""


class PositionUntrustedError(ConnectorError):
    """The replication slot and the stored offset do not fit: going on would lose events."""


class ConnectorFailedError(ConnectorError):
    """The connector or its task failed; the message holds the causes it gave."""


class ConnectorTimeoutError(ConnectorError):
    """The connector did not reach the state in time."""
