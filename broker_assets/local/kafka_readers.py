"""Listeners of the embedded Kafka for users who read the topics of filters.

Three listeners: our own, which requires a user that may do everything; one without credentials, where everybody may
read public topics; and one that requires the user of an owner (SCRAM). The rules made by `delivery.readers` decide what
each user may read.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Final

from broker_assets.local.processes import free_ports, port_is_free
from broker_assets.settings import Settings
from broker_assets.storage.atomic import replace_atomically

RECORD: Final = "readers.json"
"""File with the ports."""
USER: Final = "broker"
"""Our own user."""
_PLAIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def prepare(settings: Settings) -> None:
    """Choose ports and password if the settings enable these listeners, before anything needs them."""
    if settings.delivery.readers.embedded and settings.needs_embedded_kafka:
        folder = folder_of(settings)
        folder.mkdir(parents=True, exist_ok=True)
        ReaderListeners(folder).choose_ports()


def environment(settings: Settings) -> dict[str, str]:
    """Environment variables with which our clients reach the broker as its user, and users are shown where to read."""
    folder = folder_of(settings)
    if not settings.delivery.readers.embedded or not (folder / RECORD).is_file():
        return {}
    listeners = ReaderListeners(folder)
    listeners.read_ports()
    return {
        "BROKER_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "BROKER_KAFKA__SASL_MECHANISM": "PLAIN",
        "BROKER_KAFKA__USERNAME": USER,
        "BROKER_KAFKA__PASSWORD_FILE": str(listeners.password_file),
        "BROKER_DELIVERY__READERS__PUBLIC": listeners.public,
        "BROKER_DELIVERY__READERS__PRIVATE": listeners.private,
        "BROKER_DELIVERY__READERS__ACCESS_CONTROL": "true",
    }


def folder_of(settings: Settings) -> Path:
    """Folder of the broker."""
    return settings.home.resolve() / "kafka"


class ReaderListeners:
    """Ports and secret of the listeners of a broker.

    Parameters
    ----------
    folder : Path
        Folder of the broker; `password` in it contains that of our user, readable only by us.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.public_port = 0
        self.private_port = 0

    @property
    def password_file(self) -> Path:
        """File with the password of our user; created at the first start."""
        return self._folder / "password"

    @property
    def public(self) -> str:
        """`host:port` of the listener without credentials."""
        return f"127.0.0.1:{self.public_port}"

    @property
    def private(self) -> str:
        """`host:port` of the listener that requires a user."""
        return f"127.0.0.1:{self.private_port}"

    def choose_ports(self) -> None:
        """The previous ports, so that readers find a restarted broker; new ones if they are taken."""
        record = self._folder / RECORD
        ports = (self.public_port, self.private_port) if self.read_ports() else ()
        if not ports or not all(port_is_free("127.0.0.1", port) for port in ports):
            self.public_port, self.private_port = free_ports(2)
        replace_atomically(record, json.dumps({"public": self.public_port, "private": self.private_port}))
        if not self.password_file.exists():
            self.password_file.touch(mode=0o600)
            self.password_file.write_text(secrets.token_urlsafe(24))

    def read_ports(self) -> bool:
        """Read the ports that were chosen before; False if none were."""
        try:
            known = json.loads((self._folder / RECORD).read_text())
            self.public_port, self.private_port = int(known["public"]), int(known["private"])
        except (OSError, ValueError, KeyError):
            return False
        return True

    def client(self) -> dict[str, str]:
        """Properties of our own clients."""
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": USER,
            "sasl.password": self.password_file.read_text().strip(),
        }

    def properties(self, port: int | None, controller_port: int) -> dict[str, str]:
        """Part of `server.properties` about the listeners, instead of one listener without users."""
        password = self.password_file.read_text().strip()
        own = f'{_PLAIN} username="{USER}" password="{password}" user_{USER}="{password}";'
        shown = f"INTERNAL://127.0.0.1:{port},PUBLIC://{self.public},PRIVATE://{self.private}"
        return {
            "listeners": f"{shown},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": shown,
            "inter.broker.listener.name": "INTERNAL",
            "listener.security.protocol.map": (
                "CONTROLLER:SASL_PLAINTEXT,INTERNAL:SASL_PLAINTEXT,PUBLIC:PLAINTEXT,PRIVATE:SASL_PLAINTEXT"
            ),
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "listener.name.internal.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.internal.plain.sasl.jaas.config": own,
            "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.controller.plain.sasl.jaas.config": own,
            # Lasair's producer of annotations supports only SHA-256.
            "listener.name.private.sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256",
            "listener.name.private.scram-sha-512.sasl.jaas.config": _SCRAM,
            "listener.name.private.scram-sha-256.sasl.jaas.config": _SCRAM,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{USER}",
        }
