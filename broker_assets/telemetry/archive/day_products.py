"""Products of a day and the database: what was made from what, and which files must be rebuilt.

Assets are named by level and family (`l1_quicklook`), inputs by their kind (`spice_kernels`); both are partitioned by
observation day. `MADE_FROM` is the single definition of what each is made from: Dagster's graph, the provenance of
assets and the comparison of files follow it.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from broker_assets.provenance import product_files, versions
from broker_assets.telemetry.archive.code_versions import code_version, file_code_version
from broker_assets.telemetry.archive.days import FAMILIES, day_version, requests_of_day
from broker_assets.telemetry.archive.input_versions import (
    CONFIGURATION,
    DATABASE,
    INPUTS,
    KERNELS,
    PLAN,
    REQUESTS,
    InputVersions,
)
from broker_assets.telemetry.archive.product_archive import Archive, Outcome
from broker_assets.telemetry.products.files.record import ProductFile
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.traces import products_made

LEVELS: Final = ("LB", "L0", "L1", "L2")
"""Levels of assets; L2 means everything made from L1."""

LEVEL2_FAMILIES: Final = ("quicklook", "calibration", "auxiliary")
"""Families with products beyond L1: plots, energy calibration, ancillary products."""


def asset_name(level: str, family: str) -> str:
    """Asset of a level and family.

    Examples
    --------
    >>> asset_name("L1", "quicklook")
    'l1_quicklook'
    """
    return f"{level.lower()}_{family}"


def _made_from() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for family in FAMILIES:
        found[asset_name("LB", family)] = ()
        # Only answers to requests use the table of requests, which changes with each new request.
        asked = (REQUESTS,) if family == "science" else ()
        found[asset_name("L0", family)] = (asset_name("LB", family), DATABASE, CONFIGURATION, *asked)
        # Calibration curves of the database only affect L1; packets of adjacent days do not affect L0.
        parents = (asset_name("L0", family), asset_name("LB", family))
        found[asset_name("L1", family)] = (*parents, DATABASE, KERNELS, PLAN)
    for family in LEVEL2_FAMILIES:
        source = "housekeeping" if family == "auxiliary" else family
        more = () if family == "auxiliary" else (CONFIGURATION,)
        found[asset_name("L2", family)] = (asset_name("L1", source), KERNELS, *more)
    return found


MADE_FROM: Final = _made_from()
"""Direct parents of each asset."""


def level_and_family(asset: str) -> tuple[str, str]:
    """Level and family of an asset.

    Examples
    --------
    >>> level_and_family("l1_quicklook")
    ('L1', 'quicklook')
    """
    level, _, family = asset.partition("_")
    return level.upper(), family


def packets_of(asset: str) -> str:
    """Family whose packets an asset is made from; ancillary products are made from housekeeping.

    Examples
    --------
    >>> packets_of("l1_quicklook"), packets_of("l2_auxiliary")
    ('quicklook', 'housekeeping')
    """
    return "housekeeping" if asset == asset_name("L2", "auxiliary") else level_and_family(asset)[1]


def asset_of_file(level: str, family: str) -> str:
    """Asset that makes the files of a level, as in file names, and family.

    Examples
    --------
    >>> asset_of_file("ANC", "auxiliary"), asset_of_file("L0", "science")
    ('l2_auxiliary', 'l0_science')
    """
    return asset_name(level if level in LEVELS else "L2", family)


@dataclass(frozen=True)
class DayInputs:
    """Current inputs of the products of a family and day."""

    day: datetime.date
    packets: str
    """Version of the packets; empty if there are none."""
    inputs: Mapping[str, str]
    """Version of each input that is available for the day."""


def look(store: PacketStore, inputs: InputVersions, family: str, day: datetime.date) -> DayInputs:
    """Determine the current inputs of the products of a family and day."""
    return DayInputs(day, day_version(store, family, day), inputs.of(day, requests_of_day(store, day)))


@dataclass(frozen=True)
class Made:
    """Result of making a day."""

    outcome: Outcome
    """Its files."""
    artefact: versions.Artefact
    """The new version of the asset, to be reported by the caller."""


def content_version(files: Iterable[ProductFile]) -> str:
    """Data version of an asset for a day: digest of the names and contents of its files.

    Examples
    --------
    >>> content_version([]) == content_version(())
    True
    """
    lines = sorted(f"{file.path} {file.digest}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


EMPTY_DAY: Final = content_version(())
"""Data version of a day without files."""


def make_day(
    connection: psycopg.Connection[Any], archive: Archive, asset: str, day: datetime.date, *, run_id: str | None = None
) -> Made:
    """Rebuild the products of an asset and day, and record its files.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use; the records are one transaction.
    archive : Archive
    asset : str
        One of `MADE_FROM`.
    day : date
    run_id : str, optional
        Recorded with the files and the version.

    Returns
    -------
    Made
        Its files, and the version of the asset. The version is not recorded: the caller reports it, which comes last.

    Raises
    ------
    OSError
        If a file cannot be written; no file is then partial, and nothing is recorded.
    """
    # Determined before anything is made: inputs that arrive in the meantime make the result stale, not wrong.
    began = time.time()
    made_of = look(archive.store, InputVersions(archive.inputs), packets_of(asset), day)
    outcome = archive.build_day(*level_and_family(asset), day)
    overrides = archive.inputs.versions
    with connection.transaction():
        record_files(
            connection, outcome, {day: made_of.inputs}, archive=archive.folder, overrides=overrides, run_id=run_id
        )
        artefact = version_of_day(connection, asset, outcome, made_of, overrides=overrides, run_id=run_id)
    products_made(outcome, began, run_id=run_id)
    return Made(outcome, artefact)


def version_of_day(
    connection: psycopg.Connection[Any],
    asset: str,
    outcome: Outcome,
    made_of: DayInputs,
    *,
    overrides: Mapping[str, int],
    run_id: str | None,
) -> versions.Artefact:
    """Determine the new version of an asset for a day, with the inputs that it was made from.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    asset : str
        One of `MADE_FROM`.
    outcome : Outcome
        All files of the asset and day.
    made_of : DayInputs
        Inputs before they were made.
    overrides : mapping
        `TelemetrySettings.versions`.
    run_id : str or None
        Run that made it.
    """
    level, family = level_and_family(asset)
    day = made_of.day.isoformat()
    used = []
    for name in MADE_FROM[asset]:
        if name in INPUTS:
            found = made_of.inputs.get(name)
        elif name == asset_name("LB", packets_of(asset)):
            found = made_of.packets
        else:
            found = versions.data_versions(connection, name, [day]).get(day)
        if found:
            used.append(versions.Input(asset=name, partition=day, data_version=found))
    return versions.Artefact(
        asset=asset,
        partition=day,
        data_version=made_of.packets if level == "LB" else content_version(outcome.files),
        code_version=code_version(level, family, overrides),
        run_id=run_id,
        inputs=tuple(used),
    )


def record_files(
    connection: psycopg.Connection[Any],
    outcome: Outcome,
    inputs: Mapping[datetime.date, Mapping[str, str]],
    *,
    archive: Path,
    overrides: Mapping[str, int],
    run_id: str | None,
) -> None:
    """Record the files that were made or found unchanged, and those that are no longer made."""
    by_code: dict[tuple[str, str], list[ProductFile]] = defaultdict(list)
    for file in outcome.files:
        by_code[file.level, file_code_version(file.level, file.kind, overrides)].append(file)
    # Levels sort alphabetically except CAL and ANC, which are made from others: parents go first.
    for (_, code), files in sorted(by_code.items(), key=lambda item: (not item[0][0].startswith("L"), item[0])):
        product_files.record(
            connection,
            _with_present_parents(connection, files),
            run_id=run_id,
            code_version=code,
            input_versions=inputs,
        )
    connection.execute(_NEIGHBOURS, ([str(file.path) for file in outcome.files],))
    gone = [path.relative_to(archive) if path.is_absolute() else path for path in outcome.removed]
    if gone:
        product_files.record(connection, [], removed=gone, run_id=run_id, code_version="", input_versions=inputs)


_NEIGHBOURS: Final = """
UPDATE product_file_input AS used SET version = '', detail = used.version
FROM product_file AS child, product_file AS parent
WHERE used.productfileid = child.productfileid AND child.path = ANY(%s) AND child.superseded_at IS NULL
  AND used.kind = 'parent' AND used.version <> '' AND parent.name = used.name AND parent.superseded_at IS NULL
  AND parent.day <> child.day
"""
"""A UTC day contains some rows of the adjacent on-board days. New packets of those days do not make it stale: its own
packet version (`days.MARGIN`) shows when these rows change."""


def _with_present_parents(
    connection: psycopg.Connection[Any], files: Iterable[ProductFile]
) -> list[product_files.FileRecord]:
    """Files with their parents under their current names.

    Headers name parents as they will be named once they are complete (without U).
    """
    records = [product_files.FileRecord.model_validate(file) for file in files]
    growing = {incomplete(name): name for record in records for name in record.parents}
    rows = connection.execute(
        "SELECT DISTINCT name FROM product_file WHERE superseded_at IS NULL AND name = ANY(%s)", (sorted(growing),)
    )
    present = {growing[name]: name for (name,) in rows}
    return [
        record.model_copy(update={"parents": tuple(present.get(name, name) for name in record.parents)})
        for record in records
    ]


def incomplete(name: str) -> str:
    """Name of a product file while it may still grow; other names are unchanged.

    Examples
    --------
    >>> incomplete("solo_L0_stix-ql-lightcurve_0664070400_V02.fits")
    'solo_L0_stix-ql-lightcurve_0664070400_V02U.fits'
    >>> incomplete("PktTmRaw.xml")
    'PktTmRaw.xml'
    """
    return _VERSION.sub(r"\1U", name, count=1)


_VERSION: Final = re.compile(r"(_V\d\d)(?=[._])")


def changed_inputs(
    connection: psycopg.Connection[Any], found: Mapping[datetime.date, Mapping[str, str]]
) -> list[versions.Artefact]:
    """Inputs whose version for a day differs from the recorded one.

    An input that is no longer available for a day keeps its last version: products made with it stay.
    """
    present = input_artefacts(found)
    known = versions.recorded(connection, [(item.asset, item.partition) for item in present])
    return [item for item in present if versions.is_new(item, known.get((item.asset, item.partition)))]


def input_artefacts(found: Mapping[datetime.date, Mapping[str, str]]) -> list[versions.Artefact]:
    """Versions of inputs for some days; inputs that are not available for a day are left out."""
    return [
        versions.Artefact(asset=name, partition=day.isoformat(), data_version=present[name])
        for name in INPUTS
        for day, present in sorted(found.items())
        if name in present
    ]


def recorded_inputs(connection: psycopg.Connection[Any]) -> dict[datetime.date, dict[str, str]]:
    """Last known version of each input, by day."""
    found: dict[datetime.date, dict[str, str]] = defaultdict(dict)
    for name in INPUTS:
        for day, version in versions.data_versions(connection, name).items():
            found[datetime.date.fromisoformat(day)][name] = version
    return dict(found)


def stale_files(
    connection: psycopg.Connection[Any], overrides: Mapping[str, int], *, levels: Sequence[str] | None = None
) -> list[product_files.StaleFile]:
    """Product files that must be rebuilt: older code, changed inputs as last recorded, changed parents.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use, in a transaction.
    overrides : mapping
        `TelemetrySettings.versions`.
    levels : sequence of str, optional
        Only files of these levels are listed.
    """
    kinds = connection.execute("SELECT DISTINCT level, kind FROM product_file WHERE superseded_at IS NULL").fetchall()
    deployed = {(level, kind): file_code_version(level, kind, overrides) for level, kind in kinds}
    return product_files.stale(connection, inputs=recorded_inputs(connection), code_versions=deployed, levels=levels)
