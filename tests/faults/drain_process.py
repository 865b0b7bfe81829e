"""Drains a topic, run after run, until SIGTERM, and reports on its standard output; started and killed by the tests.

Usage: drain_process.py JSON, with the names of `main`.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import SchemaFolder
from broker_assets.resources.kafka import KafkaSource
from broker_assets.settings import DrainSettings, KafkaSettings
from broker_assets.sky.matching import SkyMatching
from broker_assets.stream.drain import drain
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.errors import DrainFailedError


def tell(**event: Any) -> None:
    """Write one line."""
    print(json.dumps(event), flush=True)


def main(
    *,
    bootstrap_servers: str,
    database_url: str,
    archive_url: str,
    schemas: str,
    topic: str,
    partitions: list[int],
    once: bool = False,
    retry_seconds: float = 60.0,
    **bounds: Any,
) -> None:
    """Drain until SIGTERM."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    settings = DrainSettings(budget_seconds=300, **bounds)
    while not asked.is_set():
        source = KafkaSource(KafkaSettings(bootstrap_servers=bootstrap_servers), topic, timeout=5.0)
        try:
            tell(start=topic)
            report = drain(
                source,
                database_url,
                archive_url,
                lambda: AlertDecoder("rubin", "confluent", SchemaFolder(schemas), topic=topic),
                settings,
                topic=topic,
                partitions=partitions,
                run_id=uuid.uuid4().hex,
                plan=EnrichmentPlan([SkyMatching(Path(schemas).parent / "sky")]),
                stop=asked.is_set,
                progress=lambda progress: tell(progress=progress.received),
                retry_seconds=retry_seconds,
            )
            tell(report=report.metadata())
        except DrainFailedError as error:
            tell(error=str(error))
        finally:
            source.close()
        if once:
            return


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
