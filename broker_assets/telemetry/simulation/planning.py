"""What was planned: campaigns, observations, and the table of science requests."""

from __future__ import annotations

import csv
import datetime
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from broker_assets.telemetry.simulation.science import ScienceRequest

PLAN: Final = "OPEN01_Simulated_Mission"
VERSION: Final = "1"
COLUMNS: Final = (
    *("_id", "unique_id", "start_utc", "duration", "type"),
    *("subject", "purpose", "scaling_factor", "ior_id", "comment"),
)
EPOCH: Final = datetime.datetime(2000, 1, 1)


def write_planning(folder: Path, start: datetime.date, days: int) -> Path:
    """Write the exported observation timeline and its campaigns.

    Returns
    -------
    path
        The folder, as `Planning.of_folder` takes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    end = start + datetime.timedelta(days=days)
    before = start - datetime.timedelta(days=1)
    observations = [_observation("STIX_BASIC", "B1", "open_b1_1", before, end + datetime.timedelta(days=1))]
    for number in range(days):
        day = start + datetime.timedelta(days=number)
        name, kind = ("STIX_ANALYSIS", "A1") if number % 2 == 0 else ("STIX_DOWNLOAD", "D1")
        observations.append(_observation(name, kind, f"open_{kind.lower()}_{number}", day, day, hours=12))
    timeline = {"info": {"name": PLAN, "internalVersion": VERSION}, "observations": observations}
    campaign = {
        "encodedSoopType": "RS1",
        "soopInstanceId": "RS1_open_1",
        "soopType": "R_SMALL_MRES_MCAD_Simulated",
        "startDate": f"{before}T00:00:00Z",
        "endDate": f"{end}T00:00:00Z",
    }
    (folder / "SSTX_observation_timeline_export_OPEN01_V01.json").write_text(json.dumps(timeline, indent=1))
    (folder / f"{PLAN}.{VERSION}.all.json").write_text(json.dumps({"soops": [campaign]}, indent=1))
    return folder


def _observation(
    name: str, kind: str, identifier: str, start: datetime.date, end: datetime.date, hours: int = 0
) -> dict[str, object]:
    return {
        "name": name,
        "comment": "simulated",
        "compositeId": {"obsType": kind},
        "socIds": [f"SSTX_{identifier}"],
        "experiment": "STIX",
        "startDate": f"{start}T00:00:00Z",
        "endDate": f"{end}T{hours:02d}:00:00Z",
    }


def write_requests(path: Path, requests: Iterable[ScienceRequest]) -> Path:
    """Write the table of requests; aspect bursts, which have no number of their own, have number 0 there.

    Returns
    -------
    path
        The CSV file, as `RequestTable.read` takes it.
    """
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        for number, request in enumerate(requests):
            start = EPOCH + datetime.timedelta(seconds=request.start)
            factor = "" if request.scaling_factor is None else request.scaling_factor
            row = (number, request.identifier, start.isoformat(), request.duration, request.kind)
            table.writerow((*row, "Flare", request.purpose, factor, "", "simulated"))
    return path
