"""Giving roles their rights on a cluster, which only an administrator of it may."""

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from operations.failures import ProblemError
from operations.setup.acls import Grant
from schemas.brokers import Brokers
from schemas.topic_creation import REQUEST_TIMEOUT_SECONDS, connect

_NOT_ALLOWED = frozenset({KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.SECURITY_DISABLED})


def give(brokers: Brokers, grants: Sequence[Grant], principal_of: Mapping[str, str]) -> None:
    """Give each role its rights; what it has already stays.

    Raises ProblemError where this client may not, or the cluster enforces no rights at all, and
    KafkaException where it does not answer.
    """
    admin = connect(brokers)
    bindings = [
        _binding(grant, operation, principal_of[grant.role])
        for grant in grants
        for operation in grant.operations
    ]
    for answer in admin.create_acls(bindings, request_timeout=REQUEST_TIMEOUT_SECONDS).values():
        try:
            answer.result(2 * REQUEST_TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_ALLOWED:
                raise
            raise ProblemError(
                f"Kafka at {brokers} does not let {brokers.security.username or 'this client'} "
                f"give rights: {error.args[0].str()}. Run it as an administrator of the cluster, "
                "or hand over what `outbox setup acls --commands` prints."
            ) from error


def _binding(grant: Grant, operation: str, principal: str) -> AclBinding:
    return AclBinding(
        ResourceType[grant.resource.upper()],
        grant.name,
        ResourcePatternType[grant.pattern.upper()],
        principal,
        "*",
        AclOperation[operation],
        AclPermissionType.ALLOW,
    )
