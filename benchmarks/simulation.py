"""Rate at which simulated alerts are made: `python benchmarks/simulation.py`."""

from __future__ import annotations

import io
import time
from typing import Any

import fastavro

from broker_assets.simulation import Survey, schemas
from broker_assets.simulation.cutouts import CutoutSize


def made_per_second(cutouts: CutoutSize, *, objects: int = 15_000, history: int = 0) -> tuple[float, float]:
    """Packets made per second of processor time, and their mean size in bytes."""
    survey = Survey(objects=objects, nights=1, history=history, cutouts=cutouts)
    count = size = 0
    begin = 0.0
    for alert in survey.alerts():
        # The nights before are not measured.
        begin = begin or time.process_time()
        count += 1
        size += len(alert.payload)
    return (count - 1) / (time.process_time() - begin), size / count


def written_by_fastavro(limit: int = 400) -> float:
    """The same packets without cutouts written by fastavro, per second."""
    schema = schemas.load(schemas.DEFAULT_VERSION)
    records: list[Any] = []
    for alert in Survey(objects=3000, nights=1, cutouts="none").alerts():
        records.append(fastavro.schemaless_reader(io.BytesIO(alert.payload[5:]), schema, None))
        if len(records) == limit:
            break
    begin = time.process_time()
    for record in records:
        fastavro.schemaless_writer(io.BytesIO(), schema, record)
    return len(records) / (time.process_time() - begin)


def main() -> None:
    """Print a table."""
    print(f"{'packets':<44}{'per second':>12}{'kB each':>10}")
    for name, cutouts, history in (
        ("no cutouts, first night", "none", 0),
        ("no cutouts, 60 nights of history", "none", 60),
        ("small cutouts, first night", "small", 0),
        ("cutouts of Rubin's size, first night", "real", 0),
    ):
        rate, size = made_per_second(cutouts, history=history, objects=15_000 if not history else 4_000)  # type: ignore[arg-type]
        print(f"{name:<44}{rate:>12,.0f}{size / 1e3:>10.1f}")
    print(f"{'fastavro writing them alone, no cutouts':<44}{written_by_fastavro():>12,.0f}")


if __name__ == "__main__":
    main()
