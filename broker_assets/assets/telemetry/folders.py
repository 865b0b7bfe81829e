"""Folders in which telemetry arrives, filled from outside and only observed here.

One external asset a folder. Their versions are recorded by `sensors.telemetry.arrivals`, without a run. The names by
which the ingest run and the sensor that starts it know each other stand here too.
"""

from __future__ import annotations

import re

from dagster import AssetKey, AssetSpec

from broker_assets.settings import TelemetrySettings
from broker_assets.telemetry.reception.folders import public

INGEST_JOB = "ingest_telemetry"
"""Name of the job that receives waiting files."""

INGEST_OP = "receive_telemetry"
"""Name of its single op."""


def folder_key(url: str) -> AssetKey:
    """Asset key of a folder.

    Examples
    --------
    >>> folder_key("sftp://stix:secret@gateway.example:2222/tm/incoming/").to_user_string()
    'telemetry_files/sftp_gateway.example_2222_tm_incoming'
    >>> folder_key("/data/incoming").to_user_string()
    'telemetry_files/data_incoming'
    """
    scheme, _, rest = public(url).partition("://")
    place = rest.rpartition("@")[2] if "@" in rest.split("/", 1)[0] else rest
    words = re.sub(r"[^A-Za-z0-9.-]+", "_", place).strip("_")
    return AssetKey(["telemetry_files", words if scheme == "file" else f"{scheme}_{words}"])


def telemetry_folders(settings: TelemetrySettings) -> list[AssetSpec]:
    """The external assets of the watched folders."""
    urls = {folder_key(url): public(url) for url in settings.incoming}
    return [
        AssetSpec(
            key=key,
            description=f"Telemetry files {settings.pattern} that arrive in {url}; complete ones are received.",
            group_name="telemetry",
            kinds={"file", "xml"},
            owners=["team:broker"],
            metadata={"folder": url, "pattern": settings.pattern},
        )
        for key, url in urls.items()
    ]
