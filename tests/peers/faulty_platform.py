"""A running platform with an asset and a sensor that fail on request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dagster import DagsterInstance
from dagster_pages import DagsterPages

DEFINITIONS = """
import os
from pathlib import Path
import dagster as dg

folder = Path(os.environ["BROKER_TEST_FAULTS"])
nights = dg.StaticPartitionsDefinition(["2024-05-01", "2024-05-02", "2024-05-03"])

@dg.asset(partitions_def=nights, backfill_policy=dg.BackfillPolicy.multi_run(1))
def rows(context):
    if (folder / context.partition_key).exists():
        raise OSError(f"the file of {context.partition_key} is damaged")

@dg.sensor(target=rows, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def watching(context):
    if (folder / "sensor").exists():
        raise OSError("folder cannot be listed")
    if (folder / "trouble").exists():
        return dg.SkipReason("trouble: the server of the folder does not answer")
    return dg.SkipReason("nothing waits")

defs = dg.Definitions(assets=[rows], sensors=[watching], executor=dg.in_process_executor)
"""


@dataclass
class Running:
    """A platform whose asset and sensor fail as long as files of these names exist in a folder."""

    pages: DagsterPages
    faults: Path
    instance: DagsterInstance
