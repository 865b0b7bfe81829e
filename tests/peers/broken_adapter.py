"""An adapter of Rubin with a fault: it fails on some packets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from broker_assets.packets.surveys.adapter import Identity
from broker_assets.packets.surveys.rubin import RubinAdapter


class BrokenAdapter(RubinAdapter):
    """Fails on every batch with a packet that it cannot stand.

    Parameters
    ----------
    poison : callable
        Whether a batch, by the identity of its packets, has such a packet.
    reason : str
        What the error says.
    """

    def __init__(self, poison: Callable[[Identity], bool], reason: str) -> None:
        self._poison = poison
        self._reason = reason

    def convert(self, schema: Any, decoded: Any, identity: Identity) -> Any:
        """Fail, or convert as Rubin's adapter does."""
        if self._poison(identity):
            raise ZeroDivisionError(self._reason)
        return super().convert(schema, decoded, identity)
