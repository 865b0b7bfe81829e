"""Nothing is lost and nothing is duplicated: comparison of the ledger with the rows and the archive.

The queries are those of `broker_assets.accounting.balance`; this module interprets their results.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import fsspec
import sqlalchemy as sa
from dagster import AssetCheckSeverity

from broker_assets.accounting import balance
from broker_assets.accounting.quarantine import WAITING
from broker_assets.checks.definition import Evidence, NightCheck, StreamCheck, Verdict, dates
from broker_assets.database.tables import archive_file, ingest_batch, quarantine, stream_gap
from broker_assets.monitoring.alerts import open_alerts
from broker_assets.packets import archive
from broker_assets.stream.data_versions import ARCHIVE_ASSET

SHOWN = 20
"""Maximum number of contradictions listed in a verdict."""

SAMPLED_FILES = 3
"""Number of files of a night that are read, spread over the night."""

SAMPLED_PACKETS = 20
"""Number of packets of each of them that are decompressed."""

SAMPLED_BYTES = 256 * 1024**2
"""Larger files are only sampled, not hashed completely."""

QUARANTINE_HOURS = 24
QUARANTINE_WARNING = 0.001
QUARANTINE_ERROR = 0.05
"""Fractions of the last day's messages in quarantine above which the check gives a warning or an error."""

ACKNOWLEDGED = "; acknowledged"
"""Marks the reason of an acknowledged gap."""


def contradictions(found: Iterable[balance.Imbalance]) -> Verdict:
    """A verdict from the rows that contradict the ledger."""
    rows = list(found)
    if not rows:
        return Verdict(True, "the ledger balances")
    shown = "; ".join(f"{row.subject}: {row.detail}: {row.found} instead of {row.expected}" for row in rows[:SHOWN])
    more = f"; and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return Verdict(False, shown + more, metadata={"contradictions": len(rows)})


def _by_night(rows: Iterable[balance.Imbalance], keys: Sequence[str]) -> dict[str, Verdict]:
    """Verdicts by night, which is at the end of each subject."""
    sorted_rows: dict[str, list[balance.Imbalance]] = defaultdict(list)
    for row in rows:
        sorted_rows[row.subject.rpartition("night ")[2]].append(row)
    return {key: contradictions(sorted_rows[key]) for key in keys}


def ledger_balances(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Compare the rows of the nights with what was stored according to the ledger."""
    span = (dates(keys)[0], dates(keys)[-1])
    rows = balance.stored_rows(found.driver, nights=span) + balance.archive_positions(found.driver, nights=span)
    return _by_night(rows, keys)


def archive_is_complete(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Every packet of the ledger is in the archive, every file is there, and those that are read are undamaged.

    A sample is read, and what open alerts name as damaged: the sample is another one whenever a night gets more files.
    """
    span = (dates(keys)[0], dates(keys)[-1])
    verdicts = _by_night(balance.archived_packets(found.driver, nights=span), keys)
    columns = archive_file.c
    rows = found.connection.execute(
        sa.select(columns.night, columns.url, columns.sha256, columns.packets, columns.bytes)
        .where(columns.night.in_(dates(keys)))
        .order_by(columns.night, columns.archivefileid)
    ).all()
    reported = {
        alert.partition: alert.body
        for alert in open_alerts(found.driver, ["run", "check"])
        if alert.asset == ARCHIVE_ASSET
    }
    for night, group in groupby(rows, key=lambda row: row.night.isoformat()):
        files = list(group)
        broken = _absent([(file.url, file.bytes) for file in files])
        step = max(1, (len(files) - 1) // (SAMPLED_FILES - 1)) if len(files) > 1 else 1
        sample = files[::-1][::step][:SAMPLED_FILES]
        suspects = [file for file in files if file.url in reported.get(night, "") and file not in sample]
        read = 0
        for file in (*sample, *suspects):
            if file.url in broken:
                continue
            try:
                archive.verify(
                    file.url,
                    sha256=file.sha256 if file.bytes <= SAMPLED_BYTES else None,
                    packets=file.packets,
                    sample=SAMPLED_PACKETS,
                )
            except (archive.ArchiveError, OSError) as error:
                broken[file.url] = str(error)
            read += 1
        if broken:
            shown = list(broken.values())[:SHOWN]
            more = f"; and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
            text = f"{len(broken)} of {len(files)} files are damaged or missing: {'; '.join(shown)}{more}"
            verdicts[night] = Verdict(False, text, metadata={"files": len(files), "files read": read})
        elif verdicts[night].passed:
            packets = sum(file.packets for file in files)
            verdicts[night] = Verdict(
                True, f"{packets} packets in {len(files)} files, {read} of them read", metadata={"files": len(files)}
            )
    return verdicts


def _absent(files: Iterable[tuple[str, int]]) -> dict[str, str]:
    """Return the files, of those given with their sizes in bytes, that are missing or have another size, and why."""
    folders: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for url, size in files:
        folders[url.rpartition("/")[0]].append((url, size))
    absent: dict[str, str] = {}
    for folder, expected in folders.items():
        try:
            store, path = fsspec.core.url_to_fs(folder)
            store.invalidate_cache(path)
            sizes = {entry["name"].rpartition("/")[2]: entry["size"] for entry in store.ls(path, detail=True)}
        except FileNotFoundError:
            sizes = {}
        except OSError as error:
            absent |= {url: f"{url}: {error}" for url, _ in expected}
            continue
        for url, size in expected:
            there = sizes.get(url.rpartition("/")[2])
            if there is None:
                absent[url] = f"{url}: no such file"
            elif there != size:
                absent[url] = f"{url}: {there} bytes, not {size}"
    return absent


def offsets_are_contiguous(found: Evidence, topic: str) -> Verdict:
    """Batches follow without gap or overlap; offsets that Kafka deleted are a warning until acknowledged."""
    broken = balance.offsets(found.driver, topic=topic)
    if broken:
        return contradictions(broken)
    columns = stream_gap.c
    gaps = found.connection.execute(
        sa.select(columns.partition, columns.first_offset, columns.next_offset, columns.reason)
        .where(columns.topic == topic, columns.reason.not_like(f"%{ACKNOWLEDGED}%"))
        .order_by(columns.created_at.desc())
    ).all()
    if gaps:
        lost = sum(gap.next_offset - gap.first_offset for gap in gaps)
        shown = "; ".join(f"partition {g.partition}: {g.first_offset} to {g.next_offset - 1}" for g in gaps[:SHOWN])
        return Verdict(
            False,
            f"{lost} offsets were deleted by Kafka before they were read ({shown})",
            AssetCheckSeverity.WARN,
            {"offsets lost": lost},
        )
    return Verdict(True, "no offset is missing")


def batches_balance(found: Evidence, topic: str) -> Verdict:
    """Received = stored + duplicate + quarantined, for every batch of the last day."""
    first = found.connection.scalar(
        sa.select(sa.func.min(ingest_batch.c.ingestid)).where(
            ingest_batch.c.topic == topic,
            ingest_batch.c.finished_at > sa.func.now() - sa.text(f"interval '{QUARANTINE_HOURS} hours'"),
        )
    )
    if first is None:
        return Verdict(True, "no batch in the last day")
    return contradictions(balance.batches(found.driver, first=first))


def quarantine_share(found: Evidence, topic: str) -> Verdict:
    """Only a few messages of the last day wait in quarantine; those that have been read or dismissed do not count."""
    columns = ingest_batch.c
    last_day = sa.func.now() - sa.text(f"interval '{QUARANTINE_HOURS} hours'")
    received = found.connection.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(columns.received), 0)).where(
            columns.topic == topic, columns.kind == "stream", columns.finished_at > last_day
        )
    )
    waiting = sa.and_(quarantine.c.state.in_(WAITING), quarantine.c.topic == topic)
    quarantined = found.connection.scalar(
        sa.select(sa.func.count()).where(waiting, quarantine.c.created_at > last_day).select_from(quarantine)
    )
    share = float(quarantined or 0) / float(received) if received else 0.0
    severity = AssetCheckSeverity.ERROR if share >= QUARANTINE_ERROR else AssetCheckSeverity.WARN
    return Verdict(
        share < QUARANTINE_WARNING,
        f"{quarantined} of {received} messages of the last day wait in quarantine",
        severity,
        {"share": share, "quarantined": int(quarantined or 0), "received": int(received or 0)},
    )


NIGHT_CHECKS = (
    NightCheck(
        "sources",
        "ledger_balances",
        "There are as many sources with an archive position as the ledger stored, each at its own position.",
        ledger_balances,
        "keep the logs, do not reprocess before the cause is understood; then `broker-assets reprocess --nights NIGHT`",
        blocking=True,
    ),
    NightCheck(
        ARCHIVE_ASSET,
        "archive_is_complete",
        "Every packet of the ledger is in the archive, and every file is there with its size; a sample of the files, "
        "and those of open alerts, have the correct checksum and are readable.",
        archive_is_complete,
        "restore the files from the backup, then materialise packet_archive of the night again",
        blocking=True,
    ),
)
"""Checks of nights."""

QUARANTINE_SHARE = StreamCheck(
    "quarantine_share",
    f"Less than {QUARANTINE_WARNING:.1%} of the messages of the last day wait in quarantine.",
    quarantine_share,
    "`broker-assets quarantine list` shows the reasons; after the fix, `broker-assets quarantine retry`",
)
"""Whether most messages can be read."""

STREAM_CHECKS = (
    StreamCheck(
        "batches_balance",
        "Received = stored + duplicate + quarantined, in every batch and in its nights, offsets and quarantine.",
        batches_balance,
        "keep the logs and do not reprocess before the cause is understood",
        blocking=True,
    ),
    StreamCheck(
        "offsets_are_contiguous",
        "No offset between the first and the committed position is missing or was read twice.",
        offsets_are_contiguous,
        "ask the survey for the messages, then run the job acknowledge_gaps",
    ),
    QUARANTINE_SHARE,
)
"""Checks of streams."""
