"""Products of the instrument: LB, L0, L1 and above, by day and family.

Shells over `Archive.build_day`: each rebuilds the files of its level, family and day from stored packets, replaces
those that differ, and reports all of them. A product that cannot be made does not fail the run, since the others of
the day are good: it is a warning of the check ``every_product_is_made``.

LB is normally built by the ingest run that receives telemetry; materialising it here rebuilds the files of the day.
"""

import datetime
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    PreviewWarning,
    ResourceParam,
    TableRecord,
    asset,
)

from broker_assets.assets.labels import INSTRUMENT, INSTRUMENT_OPERATORS, Writer, about, labels
from broker_assets.assets.metadata import reduced_png
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.automation import on_new_versions
from broker_assets.database.engine import connect
from broker_assets.monitoring.telemetry.judgements import INCOMING, OLD
from broker_assets.partitions import observation_days
from broker_assets.resources.database import Database
from broker_assets.resources.pipes_client import pipes_runner
from broker_assets.resources.telemetry import Telemetry
from broker_assets.telemetry.archive.code_versions import code_version
from broker_assets.telemetry.archive.day_products import MADE_FROM, level_and_family, make_day
from broker_assets.telemetry.archive.product_archive import Outcome
from broker_assets.telemetry.products.levels.lightcurve_plot import lightcurve_png

CHECK = "every_product_is_made"

SHOWN_FILES = 100
"""Maximum number of files and problems in the metadata, which are stored with every materialisation."""

LATE = {
    family: FreshnessPolicy.time_window(
        fail_window=datetime.timedelta(days=days), warn_window=datetime.timedelta(days=days / 2)
    )
    for family, days in OLD.items()
}
"""If nothing of a family was made for this long, an operator should check whether telemetry still arrives."""

FAMILY_TEXT = {
    "quicklook": "light curves, background, spectra, variance, flare flags",
    "housekeeping": "housekeeping reports",
    "science": "answers to science requests",
    "calibration": "energy-calibration spectra",
    "auxiliary": "all other reports",
}
LEVEL_TEXT = {
    "LB": "Packets as received, in files by on-board day or request: {what}.",
    "L0": "Raw values and on-board time: {what}.",
    "L1": "Engineering values and UTC: {what}.",
}
BEYOND_TEXT = {
    "quicklook": "Plot of the light curve of the day (LL03).",
    "calibration": "Energy calibration (CAL).",
    "auxiliary": "Aspect and ephemeris (ANC), from housekeeping.",
}


def build_telemetry_products(overrides: Mapping[str, int], writer: Writer | None = None) -> list[AssetsDefinition]:
    """The assets.

    Parameters
    ----------
    overrides : mapping of str to int
        Processing versions that replace those in the code (`TelemetrySettings.versions`).
    writer : Writer, optional
        Job that receives telemetry and builds LB.
    """
    return [_product_asset(name, dict(overrides), writer) for name in MADE_FROM]


def _product_asset(name: str, overrides: dict[str, int], writer: Writer | None) -> AssetsDefinition:
    level, family = level_and_family(name)
    text = BEYOND_TEXT[family] if level == "L2" else LEVEL_TEXT[level].format(what=FAMILY_TEXT[family])
    with warnings.catch_warnings():
        # Partitioned checks are new in Dagster 1.13; without them one bad day would hide all others.
        warnings.simplefilter("ignore", PreviewWarning)
        check = AssetCheckSpec(
            CHECK,
            asset=name,
            description="Every product of the day could be made.",
            partitions_def=observation_days,
        )

    @asset(
        name=name,
        partitions_def=observation_days,
        # Which packets there are follows from the files that arrived.
        deps=[INCOMING] if level == "LB" else list(MADE_FROM[name]),
        group_name=f"telemetry_{family}",
        code_version=code_version(level, family, overrides),
        kinds={"fits", "file"},
        check_specs=[check],
        freshness_policy=LATE.get(family) if level in ("LB", "L1") else None,
        # LB depends only on the arrival of telemetry.
        automation_condition=None if level == "LB" else on_new_versions(),
        **labels(INSTRUMENT_OPERATORS, survey=INSTRUMENT, level=level.lower(), family=family, store="files"),
        **about(text, writer if level == "LB" else None),
    )
    def product(
        context: AssetExecutionContext, database: ResourceParam[Database], telemetry: ResourceParam[Telemetry]
    ) -> Iterator[MaterializeResult[Any]]:
        day = datetime.date.fromisoformat(context.partition_key)
        with telemetry.store() as store, connect(database.url, autocommit=True) as connection:
            # Third-party programs run as steps of this run: their output is in its log.
            programs = telemetry.programs.run_by(pipes_runner(context)) if level == "L2" else None
            archive = telemetry.archive(store, programs=programs)
            made = make_day(connection, archive, name, day, run_id=context.run.run_id)
        outcome = made.outcome
        for problem in outcome.problems:
            context.log.warning(f"{problem.what}: {problem.reason}")
        metadata = {**described(outcome, archive.folder), **_picture(outcome, archive.folder)}
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(Entry(made.artefact, metadata=metadata), check_results=[_verdict(outcome)])

    made: AssetsDefinition = product
    return made


def described(outcome: Outcome, folder: Path) -> dict[str, Any]:
    """Metadata of the files of a day: numbers, names, problems."""
    files = sorted(outcome.files, key=lambda file: str(file.path))
    said: dict[str, Any] = {
        "files": len(files),
        "dagster/row_count": sum(file.rows for file in files),
        "bytes": sum(file.size for file in files),
        "written": len(outcome.written),
        "unchanged": len(outcome.unchanged),
        "removed": [path.name for path in outcome.removed],
        "problems": len(outcome.problems),
        "folder": MetadataValue.path(str(folder)),
    }
    if files:
        said["file list"] = MetadataValue.table(
            [
                TableRecord(
                    {
                        "file": file.path.name,
                        "rows": file.rows,
                        "bytes": file.size,
                        "from": file.start,
                        "to": file.end,
                        "version": file.version,
                        "incomplete": file.incomplete,
                    }
                )
                for file in files[:SHOWN_FILES]
            ]
        )
    # Not made because of a failure; not made because a program is not configured or the product is not yet due.
    for name, items in (("not made", outcome.problems), ("left out", outcome.skipped)):
        if items:
            records = [TableRecord({"what": item.what, "reason": item.reason}) for item in items[:SHOWN_FILES]]
            said[name] = MetadataValue.table(records)
    return said


def _verdict(outcome: Outcome) -> AssetCheckResult:
    number = len(outcome.problems)
    return AssetCheckResult(
        check_name=CHECK,
        passed=not number,
        severity=AssetCheckSeverity.WARN,
        description="; ".join(f"{item.what}: {item.reason}" for item in outcome.problems[:3]) or "all were made",
        metadata={"problems": number},
    )


def _picture(outcome: Outcome, folder: Path) -> dict[str, Any]:
    """The light curve of the day, if there is one."""
    curves = [file for file in outcome.files if (file.level, file.kind) == ("L1", "ql-lightcurve")]
    if not curves:
        return {}
    picture = reduced_png(lightcurve_png(folder / curves[-1].path))
    return {} if picture is None else {"light curve": picture}
