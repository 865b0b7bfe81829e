"""Drains messages of a file in a process that some of them end; started by the tests.

Usage: dying_drain.py JSON, with the names of `main`.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from alert_packets import ListSource
from enrichments import Meddler

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import SchemaFolder
from broker_assets.settings import DrainSettings
from broker_assets.stream.drain import drain
from broker_assets.stream.enrichment import EnrichmentPlan


def main(
    *, database_url: str, archive_url: str, schemas: str, messages: list[str], poison: list[int], **limits: Any
) -> None:
    """One drain run, which ends without an exception as soon as a poisonous source is looked into."""

    def on_compute(batch: Any) -> None:
        if np.isin(batch.alerts["diasourceid"].to_numpy(), poison).any():
            os._exit(9)

    source = ListSource.of([bytes.fromhex(message) for message in messages], partitions=2)
    report = drain(
        source,
        database_url,
        archive_url,
        lambda: AlertDecoder("rubin", "confluent", SchemaFolder(Path(schemas)), topic="alerts"),
        DrainSettings(batch_seconds=0.2, idle_seconds=0.1, budget_seconds=60, **limits),
        topic="alerts",
        partitions=source.partitions(),
        run_id=uuid.uuid4().hex,
        plan=EnrichmentPlan([Meddler(on_compute)]),
    )
    print(json.dumps(report.metadata()))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
