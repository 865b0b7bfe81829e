"""Folders that are filled from outside and only observed here: telemetry that arrives, and files of inputs.

One external asset each. Their versions are recorded without a run, by `sensors.telemetry.arrivals` and
`sensors.telemetry.inputs`; the version of an input for a day is an asset of its own (`assets.telemetry.inputs`). The
names with which the ingest run and the sensor that starts it identify each other are here too.
"""

from __future__ import annotations

import re

from dagster import AssetKey, AssetSpec

from broker_assets.assets.labels import (
    FOLDER_OBSERVER,
    INPUT_OBSERVER,
    INSTRUMENT,
    INSTRUMENT_OPERATORS,
    about,
    labels,
)
from broker_assets.assets.reporter import Entry
from broker_assets.provenance import versions
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import TelemetrySettings
from broker_assets.telemetry.archive.input_versions import CONFIGURATION, DATABASE, KERNELS, PLAN, REQUESTS
from broker_assets.telemetry.reception.folders import public

_INPUT_FILES = {
    DATABASE: ("databases", "Instrument databases"),
    CONFIGURATION: ("configuration", "Checkout of the instrument's configuration repository"),
    KERNELS: ("kernels", "SPICE kernels"),
    REQUESTS: ("requests", "Table of science requests"),
    PLAN: ("planning", "Observation plans"),
}
"""Setting that names the files of each input, and their description."""

RECEPTION_GROUP = "telemetry_reception"
INPUT_GROUP = "telemetry_inputs"

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
            group_name=RECEPTION_GROUP,
            kinds={"file", "xml"},
            **labels(INSTRUMENT_OPERATORS, survey=INSTRUMENT, level="raw", family="packets", store="files"),
            **about(
                f"Telemetry files {settings.pattern} that arrive in {url}; complete ones are received.",
                FOLDER_OBSERVER,
                {"folder": url, "pattern": settings.pattern},
            ),
        )
        for key, url in urls.items()
    ]


def input_files_key(name: str) -> AssetKey:
    """Asset key of the files of an input."""
    return AssetKey(["input_files", name])


def input_files(settings: TelemetrySettings) -> list[AssetSpec]:
    """The external assets of the files of each input."""
    return [
        AssetSpec(
            key=input_files_key(name),
            group_name=INPUT_GROUP,
            kinds={"file"},
            **labels(INSTRUMENT_OPERATORS, survey=INSTRUMENT, level="raw", family="inputs", store="files"),
            **about(
                f"{what}, kept up to date from outside: setting `telemetry.{setting}`.",
                INPUT_OBSERVER,
                {"path": str(path)} if (path := getattr(settings, setting)) is not None else {},
            ),
        )
        for name, (setting, what) in _INPUT_FILES.items()
    ]


def input_files_entries(telemetry: Telemetry) -> list[Entry]:
    """Observations of the files of each input; none for an input without files."""
    entries = []
    for name, (setting, _) in _INPUT_FILES.items():
        place = getattr(telemetry.settings, setting)
        version = telemetry.files_version(place) if place is not None else None
        if version is not None:
            asset = input_files_key(name).to_user_string()
            entries.append(Entry(versions.Artefact(asset=asset, data_version=version), metadata={"path": str(place)}))
    return entries
