"""Deliveries in the traces of their products (`broker_assets.tracing`)."""

from __future__ import annotations

import time

from broker_assets import tracing
from broker_assets.publication.report import Outcome
from broker_assets.tracing import product

DELIVERED = frozenset({"published", "supplement"})


class DeliveryTraces:
    """Records each file of a run when its outcome is known; for `publish(notify=…)`.

    Parameters
    ----------
    target : str
        Archive.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._began = time.time()

    def __call__(self, outcome: Outcome) -> None:
        """Record a file that was delivered, held or refused."""
        if not tracing.active():
            return
        now = time.time()
        tracing.record(
            product(outcome.name),
            "publication",
            self._began,
            now,
            whole=True,
            attributes={
                "broker.target": self._target,
                "broker.status": outcome.status,
                "broker.delivered": outcome.delivered_name or "",
            },
            failure="" if outcome.status in DELIVERED else outcome.reason or outcome.status,
        )
        self._began = now
