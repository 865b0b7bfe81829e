"""The files of each observation day in archives.

Files are published in two ways with the same result: by the job `publish_products` (`jobs.publication`), which the
schedule starts for all days with due files and which reports each of these days to Dagster, and by an operator who
materialises a day. Both use `broker_assets.publication`; the data version of a day is the hash of its receipts.
"""

import datetime
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    Failure,
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    PreviewWarning,
    ResourceParam,
    TableRecord,
    asset,
)

from broker_assets.assets.labels import ARCHIVE_MANAGERS, INSTRUMENT, PUBLISH, about, labels
from broker_assets.assets.reporter import EMPTY, Entry, Reporter
from broker_assets.database.engine import connect
from broker_assets.partitions import observation_days
from broker_assets.provenance import versions
from broker_assets.publication.days import (
    DayState,
    candidates,
    states,
    unmirrored,
)
from broker_assets.publication.mirror import MirrorReport, sync
from broker_assets.publication.report import Report
from broker_assets.publication.run import publish
from broker_assets.publication.traces import DeliveryTraces
from broker_assets.resources.database import Database
from broker_assets.resources.publisher import Publisher
from broker_assets.telemetry.archive.days import FAMILIES

ASSET = "published_files"
CODE_VERSION = "1"
SHOWN_RECEIPTS = 50
"""Maximum number of receipts in the metadata, which are stored with every materialisation."""
LATE = FreshnessPolicy.time_window(fail_window=datetime.timedelta(days=8), warn_window=datetime.timedelta(days=4))
"""Quick-look products may pause for a week (`assets.telemetry.products.LATE`); the daily run gets one day more."""
UPSTREAM = (
    *(f"l{level}_{family}" for level in (0, 1) for family in FAMILIES),
    *(f"l2_{family}" for family in ("quicklook", "calibration", "auxiliary")),
)
"""Assets from which the files come; packets as received (LB) are not published."""
CHECK = "not_worse_than_published"
CHECK_TEXT = (
    "No file of the day is held back: nothing changed under a delivered name, and no new version has fewer rows, "
    "more NaN or a shorter coverage than the delivered one, unless an operator agreed."
)

DayVerdict = Callable[[DayState], AssetCheckResult]
"""The verdict of the check on a day."""


@dataclass
class Deliveries:
    """Result of a run."""

    reports: list[Report] = field(default_factory=list)
    """One per target with rules of its own."""
    mirrored: list[MirrorReport] = field(default_factory=list)
    """One per copy of the local archive."""

    @property
    def failures(self) -> dict[str, str]:
        """Why targets were not served, or not completely."""
        found = {report.target: report.failure for report in self.reports}
        found |= {report.target: report.failure for report in self.mirrored}
        return {target: failure for target, failure in found.items() if failure is not None}

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Files that this run decided on or copied, by target and outcome."""
        found = {report.target: dict(report.counts) for report in self.reports}
        return found | {report.target: {"copied": len(report.copied)} for report in self.mirrored}


def deliver(database: Database, publisher: Publisher, days: Collection[datetime.date], run_id: str) -> Deliveries:
    """Deliver due files of some days to every target, recording each at once; an unavailable target affects no other.

    Raises
    ------
    OSError
        If the blacklist cannot be read: without it, nothing is delivered.
    """
    done = Deliveries()
    with database.transaction() as connection:
        files = candidates(connection, publisher.folder, days)
    if not files:
        return done
    reason, refresh = publisher.reason(), publisher.refresh()
    for settings in publisher.archives:
        rules = publisher.rules(settings)
        with connect(database.url, autocommit=True) as connection, publisher.open(settings) as target:
            done.reports.append(
                publish(
                    connection,
                    files,
                    target,
                    rules,
                    run_id=run_id,
                    reason=reason,
                    refresh=refresh,
                    conflicts=publisher.conflicts(settings),
                    notify=DeliveryTraces(settings.name),
                )
            )
    return done


def copy_archive(
    database: Database, publisher: Publisher, run_id: str, *, whole: bool, targets: Collection[str] = ()
) -> list[MirrorReport]:
    """Update the copies of the local archive: files that are new since the last update, or all that differ.

    Parameters
    ----------
    whole : bool
        Whether each copy is compared with the whole archive; surplus files are removed if its settings say so.
    targets : collection of str
        Names of the copies; default: all.
    """
    reports = []
    for settings in publisher.mirrors:
        if targets and settings.name not in targets:
            continue
        files = None
        if not whole:
            with database.transaction() as connection:
                paths = unmirrored(connection, settings.name)
            files = [path for path in (publisher.folder / name for name in paths) if path.is_file()]
            if not files:
                continue
        with connect(database.url, autocommit=True) as connection, publisher.open(settings) as target:
            remove = whole and settings.mirror_removes
            reports.append(sync(connection, publisher.folder, target, files=files, run_id=run_id, remove=remove))
    return reports


def build_published_files(
    verdict: DayVerdict, upstream: Sequence[str] = UPSTREAM, *, promised: bool = False
) -> AssetsDefinition:
    """The asset.

    Parameters
    ----------
    verdict : callable
        Evaluates its check.
    upstream : sequence of str
        Assets from which its files come.
    promised : bool
        Whether it has a freshness policy: files are delivered only if an archive is set.
    """
    with warnings.catch_warnings():
        # Partitioned checks are new in Dagster 1.13; without them one bad day would hide all others.
        warnings.simplefilter("ignore", PreviewWarning)
        check = AssetCheckSpec(
            CHECK, asset=ASSET, description=CHECK_TEXT, blocking=True, partitions_def=observation_days
        )

    @asset(
        name=ASSET,
        partitions_def=observation_days,
        deps=list(upstream),
        group_name="publication",
        code_version=CODE_VERSION,
        freshness_policy=LATE if promised else None,
        kinds={"fits", "file"},
        check_specs=[check],
        **labels(ARCHIVE_MANAGERS, survey=INSTRUMENT, level="published", family="products", store="files"),
        **about("Files of the day that archives hold. Materialising a day delivers its due files, each once.", PUBLISH),
    )
    def published_files(
        context: AssetExecutionContext, database: ResourceParam[Database], publisher: ResourceParam[Publisher]
    ) -> Iterator[MaterializeResult[Any]]:
        day = datetime.date.fromisoformat(context.partition_key)
        done = deliver(database, publisher, [day], context.run.run_id)
        with database.transaction() as connection:
            state = states(connection, [day])[day]
        if done.failures:
            raise Failure(failures_text(done.failures), {"failures": done.failures})
        entry = Entry(artefact(state), metadata=day_metadata(state, done))
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(entry, check_results=[verdict(state)])

    made: AssetsDefinition = published_files
    return made


def artefact(state: DayState) -> versions.Artefact:
    """The version of a day."""
    return versions.Artefact(
        asset=ASSET,
        partition=state.day.isoformat(),
        data_version=state.data_version if state.receipts else EMPTY,
        code_version=CODE_VERSION,
    )


def failures_text(failures: Mapping[str, str]) -> str:
    """Failures of targets as one sentence, in the same words each time, so that they are one alert."""
    return "; ".join(f"{target}: {reason}" for target, reason in sorted(failures.items()))


def day_metadata(state: DayState, done: Deliveries) -> dict[str, Any]:
    """Metadata of a day: what each target has, what it lacks, and the receipts."""
    said: dict[str, Any] = {"files at targets": len(state.receipts), "held back": len(state.held)}
    for target, counts in sorted(state.counts.items()):
        said[target] = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
    said |= {f"{target} is unavailable": reason for target, reason in done.failures.items()}
    waiting = Counter({report.target: len(report.waiting) for report in done.reports})
    said["too recent"] = sum(waiting.values())
    if state.receipts:
        said["receipts"] = MetadataValue.table(
            [
                TableRecord(
                    {
                        "target": receipt.target,
                        "file": receipt.delivered,
                        "outcome": receipt.status,
                        "bytes": receipt.size,
                        "sha256": receipt.sha256,
                        "delivered": f"{receipt.delivered_at:%Y-%m-%d %H:%M:%S}" if receipt.delivered_at else "",
                    }
                )
                for receipt in state.receipts[:SHOWN_RECEIPTS]
            ]
        )
    if state.held:
        said["held"] = MetadataValue.table(
            [
                TableRecord({"target": held.target, "file": held.name, "reason": held.reason})
                for held in state.held[:SHOWN_RECEIPTS]
            ]
        )
    return said
