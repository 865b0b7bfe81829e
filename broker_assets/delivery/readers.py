"""Permissions to read topics: everybody may read public ones, and each owner their private ones.

Public topics (`lasair_…`) are read without credentials, with any consumer group. An owner has one Kafka user (SCRAM),
which may read the topics with the owner's prefix and the public ones, with consumer groups of the same prefix, and
write to the topics of the owner's annotators. We store nothing of this: Kafka keeps users and rules.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from broker_assets.delivery.errors import SinkError
from broker_assets.delivery.names import PRIVATE, PUBLIC, private_prefix, reader_name
from broker_assets.kafka_log import client_log
from broker_assets.settings.stream import ClusterSettings

ANYBODY: Final = "User:*"
ITERATIONS: Final = 8192
_SECONDS: Final = 30.0
_MECHANISMS: Final = (ScramMechanism.SCRAM_SHA_512, ScramMechanism.SCRAM_SHA_256)
"""The second is for Lasair's producer of annotations."""
_READ: Final = (AclOperation.READ, AclOperation.DESCRIBE)


class Readers:
    """Kafka users and access rules of a cluster.

    Parameters
    ----------
    cluster : ClusterSettings
        Settings to reach it, with a user that may change them.

    Raises
    ------
    SinkError
        By every method, if Kafka is unavailable or does not support it.
    """

    def __init__(self, cluster: ClusterSettings) -> None:
        if not cluster.bootstrap_servers:
            raise SinkError("no Kafka is configured: set BROKER_KAFKA__BOOTSTRAP_SERVERS")
        self._servers = cluster.bootstrap_servers
        given = cluster.properties()
        self._own = given.get("sasl.username")
        self._admin = AdminClient(
            {**given, "bootstrap.servers": cluster.bootstrap_servers}, logger=client_log(__name__)
        )

    def open_public_topics(self) -> None:
        """Allow everybody to read the public topics, with any group that does not belong to an owner."""
        self._create(
            [
                *_allow(ResourceType.TOPIC, PUBLIC, ANYBODY, _READ),
                AclBinding(
                    ResourceType.GROUP, "*", ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", AclOperation.READ,
                    AclPermissionType.ALLOW,
                ),
                # An anonymous reader could otherwise join an owner's group, and take its partitions.
                AclBinding(
                    ResourceType.GROUP, PRIVATE, ResourcePatternType.PREFIXED, "User:ANONYMOUS", "*",
                    AclOperation.ALL, AclPermissionType.DENY,
                ),
            ]
        )  # fmt: skip

    def create(self, owner: str) -> tuple[str, str]:
        """Create the user of an owner, or give it a new password; the old one becomes invalid.

        Returns
        -------
        user, password : str
            The password is not stored anywhere.
        """
        user, password = self._user(owner), secrets.token_urlsafe(24)
        # One after the other: Kafka refuses two changes of a user in one request.
        for mechanism in _MECHANISMS:
            change = UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, ITERATIONS), password.encode())
            self._done(self._admin.alter_user_scram_credentials([change]))
        prefix, principal = private_prefix(owner), f"User:{user}"
        self._create(
            [
                *_allow(ResourceType.TOPIC, prefix, principal, _READ),
                *_allow(ResourceType.GROUP, prefix, principal, (AclOperation.READ,)),
            ]
        )
        return user, password

    def remove(self, owner: str) -> None:
        """Remove the user of an owner and its rules."""
        user = self._user(owner)
        for mechanism in _MECHANISMS:
            change = UserScramCredentialDeletion(user, mechanism)
            self._done(self._admin.alter_user_scram_credentials([change]))
        every: Any = None  # the type stubs do not know that None means any
        rules = AclBindingFilter(
            ResourceType.ANY, every, ResourcePatternType.ANY, f"User:{user}", every, AclOperation.ANY,
            AclPermissionType.ANY,
        )  # fmt: skip
        self._done(self._admin.delete_acls([rules]))

    def let_write(self, owner: str, topics: Iterable[str]) -> None:
        """Allow an owner, and nobody else, to write to the topics of their annotator, even before they have a user.

        Parameters
        ----------
        owner : str
            Owner of the annotator.
        topics : iterable of str
            Names of Kafka topics.
        """
        names, every = list(topics), None
        anyone: Any = every  # the type stubs do not know that None means any
        before = [
            AclBindingFilter(
                ResourceType.TOPIC, name, ResourcePatternType.LITERAL, anyone, anyone, AclOperation.WRITE,
                AclPermissionType.ANY,
            )
            for name in names
        ]  # fmt: skip
        self._done(self._admin.delete_acls(before))
        self._create(
            [
                AclBinding(
                    ResourceType.TOPIC, name, ResourcePatternType.LITERAL, f"User:{reader_name(owner)}", "*",
                    operation, AclPermissionType.ALLOW,
                )
                for name in names
                for operation in (AclOperation.WRITE, AclOperation.DESCRIBE)
            ]
        )  # fmt: skip

    def users(self) -> list[str]:
        """Names of the users."""
        try:
            future: Any = self._admin.describe_user_scram_credentials()
            return sorted(future.result(_SECONDS))
        except KafkaException as error:
            raise self._failed(error) from None

    def _user(self, owner: str) -> str:
        """The user of an owner; never our own, whose password and rights the owner would get."""
        user = reader_name(owner)
        if user == self._own:
            raise SinkError(
                f"the platform itself logs in to Kafka as {user}, so that an owner of this name cannot have a user: "
                "give the platform another one"
            )
        return user

    def _create(self, rules: list[AclBinding]) -> None:
        self._done(self._admin.create_acls(rules))

    def _done(self, futures: dict[Any, Any]) -> None:
        try:
            for future in futures.values():
                future.result(_SECONDS)
        except KafkaException as error:
            raise self._failed(error) from None

    def _failed(self, error: KafkaException) -> SinkError:
        return SinkError(
            f"Kafka at {self._servers} refuses: {error.args[0].str()}; users and rules need Apache Kafka with an "
            "authorizer, see docs/delivery.md"
        )


def _allow(kind: ResourceType, prefix: str, principal: str, operations: Iterable[AclOperation]) -> list[AclBinding]:
    return [
        AclBinding(kind, prefix, ResourcePatternType.PREFIXED, principal, "*", operation, AclPermissionType.ALLOW)
        for operation in operations
    ]
