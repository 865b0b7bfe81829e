"""The state of telemetry at one moment: files that arrived, days, products, kernels, deliveries.

This module has facts only, read from the database, the packet store and the folder of kernels, none of which needs to
exist; `judgements` interprets them. Checks, command line and status page all show the same numbers.
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, Field

from broker_assets.monitoring.telemetry.incomplete_requests import IncompleteAnswer, incomplete_answers, recent_answers
from broker_assets.provenance.product_files import StaleFile
from broker_assets.publication.delivery_status import TargetState, target_state
from broker_assets.settings import Settings
from broker_assets.telemetry.archive.day_products import stale_files
from broker_assets.telemetry.archive.days import family_of
from broker_assets.telemetry.inputs.kernels import KernelError, Kernels
from broker_assets.telemetry.reception.folders import public

Row = TypeVar("Row", bound=BaseModel)

HISTORY_HOURS = 24
"""How far back the backlog is counted, by hour."""
RECENT = datetime.timedelta(hours=24)
"""Age up to which something is considered new."""


class Folder(BaseModel):
    """Files of one incoming folder, by state."""

    folder: str
    new: int = 0
    """Seen but not yet copied: recent, growing, or waiting for a run."""
    staged: int = 0
    """Copied but not yet in the packet store, including those being copied."""
    processed: int = 0
    """In the packet store."""
    unreported: int = 0
    """Processed files whose products were not yet made and reported."""
    failed: int = 0
    """Failed, to be retried later."""
    quarantined: int = 0
    """Given up."""
    gone: int = 0
    """Removed before they were read."""
    oldest: datetime.datetime | None = None
    """When the oldest waiting file was first seen."""
    newest: datetime.datetime | None = None
    """When the last file was processed."""

    @property
    def waiting(self) -> int:
        """Files whose packets are not in the store but may still be."""
        return self.new + self.staged + self.failed


class TroubledFile(BaseModel):
    """A file that cannot be read at the moment, or at all."""

    name: str
    folder: str
    state: str
    tries: int
    copies: int
    """Failed attempts to copy it."""
    reason: str
    first_seen: datetime.datetime
    next_try: datetime.datetime | None


class BadPackets(BaseModel):
    """Packets quarantined for one reason."""

    reason: str
    packets: int
    files: int
    recent: int
    """Found in the last day."""
    newest: datetime.datetime


FIRST_DAY = datetime.date(2020, 2, 10)
"""The launch; a date before it comes from a clock that was not set."""


class FamilyDays(BaseModel):
    """Observation days of a family that have packets."""

    family: str
    packets: int | None = None
    """Number of packets in the store; None if there is no store on this machine."""
    days: list[datetime.date] = Field(default_factory=list, exclude=True)
    """Ascending; only days that a set clock can give."""
    unsynchronised: int = 0
    """Days before the launch or after tomorrow: the clock was not set."""

    @property
    def first(self) -> datetime.date | None:
        """First day."""
        return self.days[0] if self.days else None

    @property
    def newest(self) -> datetime.date | None:
        """Last day."""
        return self.days[-1] if self.days else None


class ProductKind(BaseModel):
    """Current files of one kind and level."""

    level: str
    family: str
    kind: str
    files: int
    bytes: int
    newest_day: datetime.date | None
    """None if the clock was never set."""
    recent_days: int = 0
    """Days with files of the 30 days that end with the newest."""
    made_at: datetime.datetime
    """When the latest of them was made."""


class Waiting(BaseModel):
    """A file from which nothing of the next level was made."""

    name: str
    family: str
    kind: str
    day: datetime.date
    made_at: datetime.datetime


class KernelState(BaseModel):
    """Kernels in use."""

    names: tuple[str, ...] = ()
    """Latest predicted and flown meta-kernel."""
    flown_until: datetime.date | None = None
    """Date in the name of the flown meta-kernel: later times are predicted."""
    detail: str = ""
    """Why there are none."""


class OpenAlert(BaseModel):
    """A persisting cause that operators were, or will be, notified of."""

    subject: str
    cause: str
    first_at: datetime.datetime
    count: int


class Look:
    """A snapshot of telemetry; each part is read when it is first used.

    Parameters
    ----------
    connection : psycopg.Connection
        A read-only transaction.
    settings : Settings
    now : datetime, optional
        With a time zone.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], settings: Settings, *, now: datetime.datetime | None = None
    ) -> None:
        self.connection = connection
        self.settings = settings
        self.now = now if now is not None else datetime.datetime.now(datetime.UTC)

    @cached_property
    def folders(self) -> list[Folder]:
        """Incoming folders: those of the settings, and those from which files arrived earlier."""
        found = self._all(
            Folder,
            "SELECT folder, count(*) FILTER (WHERE state = 'new') AS new,"
            " count(*) FILTER (WHERE state IN ('staging', 'staged')) AS staged,"
            " count(*) FILTER (WHERE state = 'processed') AS processed,"
            " count(*) FILTER (WHERE state = 'processed' AND same_as IS NULL AND reported_at IS NULL) AS unreported,"
            " count(*) FILTER (WHERE state = 'failed') AS failed,"
            " count(*) FILTER (WHERE state = 'quarantined') AS quarantined,"
            " count(*) FILTER (WHERE state = 'gone') AS gone,"
            " min(first_seen) FILTER (WHERE state IN ('new', 'staging', 'staged', 'failed')) AS oldest,"
            " max(processed_at) AS newest FROM telemetry_file GROUP BY folder ORDER BY folder",
        )
        known = {folder.folder for folder in found}
        configured = [public(url) for url in self.settings.telemetry.incoming]
        return found + [Folder(folder=url) for url in configured if url not in known]

    @cached_property
    def backlog(self) -> list[int]:
        """Number of files waiting at each full hour of the last day, oldest first; the last is now."""
        rows = self.connection.execute(
            "SELECT count(file.telemetryfileid)"
            " FROM generate_series(%(now)s - %(hours)s * interval '1 hour', %(now)s, interval '1 hour') AS hour (at)"
            " LEFT JOIN telemetry_file AS file ON file.first_seen <= hour.at"
            " AND (processed_at > hour.at OR state IN ('new', 'staging', 'staged', 'failed'))"
            " GROUP BY hour.at ORDER BY hour.at",
            {"now": self.now, "hours": HISTORY_HOURS},
        ).fetchall()
        return [int(count) for (count,) in rows]

    @cached_property
    def troubled(self) -> list[TroubledFile]:
        """Files that failed or were given up, newest first, including those that cannot be copied.

        Files that have been replaced, that is, whose later content was processed, are not included.
        """
        return self._all(
            TroubledFile,
            "SELECT name, folder, state, tries, copies, coalesce(reason, '') AS reason, first_seen, next_try"
            " FROM telemetry_file AS file WHERE (state IN ('failed', 'quarantined') OR (copies > 0"
            " AND state NOT IN ('processed', 'gone', 'dismissed')))"
            " AND NOT EXISTS (SELECT 1 FROM telemetry_file AS later WHERE later.url = file.url"
            " AND later.version > file.version AND later.state = 'processed') ORDER BY first_seen DESC, name",
        )

    @cached_property
    def oldest_unreported(self) -> datetime.datetime | None:
        """When the oldest file whose products were not reported was processed."""
        row = self.connection.execute(
            "SELECT min(processed_at) FROM telemetry_file"
            " WHERE state = 'processed' AND same_as IS NULL AND reported_at IS NULL"
        ).fetchone()
        return row[0] if row is not None else None

    @cached_property
    def bad_packets(self) -> list[BadPackets]:
        """Quarantined packets, by reason without the numbers that differ each time."""
        return self._all(
            BadPackets,
            "SELECT left(regexp_replace(reason,"
            " '\\m(0x[0-9a-f]+|[0-9a-f]*[0-9][0-9a-f]*)\\M', '…', 'g'), 160) AS reason,"
            " count(*) AS packets, count(DISTINCT telemetryfileid) AS files,"
            " count(*) FILTER (WHERE created_at > %(since)s) AS recent, max(created_at) AS newest"
            " FROM telemetry_quarantine GROUP BY 1 ORDER BY recent DESC, packets DESC, reason",
            {"since": self.now - RECENT},
        )

    @cached_property
    def families(self) -> list[FamilyDays]:
        """Days with packets of each family, by on-board time.

        The days are those of files of level LB, which contain packets as received; the register of files also lists
        adjacent days.
        """
        rows = self.connection.execute(
            "SELECT family, array_agg(DISTINCT day ORDER BY day) FROM product_file"
            " WHERE superseded_at IS NULL AND level = 'LB' GROUP BY family ORDER BY family"
        ).fetchall()
        last = self.now.date() + datetime.timedelta(days=1)
        found = []
        for family, days in rows:
            real = [day for day in days if FIRST_DAY <= day <= last]
            packets = None if self.packets is None else self.packets.get(family, 0)
            found.append(FamilyDays(family=family, packets=packets, days=real, unsynchronised=len(days) - len(real)))
        return found

    @cached_property
    def packets(self) -> dict[str, int] | None:
        """Number of packets in the store by family; None if it is not on this machine."""
        return packets_by_family(self._packets)

    @property
    def _packets(self) -> Path:
        return self.settings.telemetry_folder / "packets"

    @cached_property
    def kinds(self) -> list[ProductKind]:
        """Current product files."""
        return self._all(
            ProductKind,
            "SELECT level, family, kind, count(*) AS files, sum(size)::bigint AS bytes, max(made_at) AS made_at,"
            " newest_day, count(DISTINCT day) FILTER (WHERE day > newest_day - 30 AND day <= newest_day) AS recent_days"
            " FROM (SELECT level, family, kind, size, made_at, day, max(day) FILTER (WHERE day BETWEEN %(first)s AND"
            "  %(last)s) OVER (PARTITION BY level, family, kind) AS newest_day"
            "  FROM product_file WHERE superseded_at IS NULL) AS file"
            " GROUP BY level, family, kind, newest_day ORDER BY level, family, kind",
            {"first": FIRST_DAY, "last": self.now.date() + datetime.timedelta(days=1)},
        )

    @cached_property
    def stale(self) -> list[StaleFile]:
        """Files that must be rebuilt: older code, changed inputs, changed parents."""
        return stale_files(self.connection, self.settings.telemetry.versions)

    @cached_property
    def without_level0(self) -> list[Waiting]:
        """Files of level LB from which no other file was made, oldest first."""
        return self._all(
            Waiting,
            "SELECT name, family, kind, day, made_at FROM product_file AS levelb"
            " WHERE superseded_at IS NULL AND level = 'LB' AND rows > 0 AND NOT EXISTS ("
            "  SELECT 1 FROM product_file_input AS used JOIN product_file AS child USING (productfileid)"
            "  WHERE used.kind = 'parent' AND used.name = levelb.name AND child.superseded_at IS NULL)"
            " ORDER BY made_at, name",
        )

    @cached_property
    def incomplete(self) -> list[IncompleteAnswer]:
        """Answers to requests with missing packets; empty if the packet store is not on this machine."""
        return incomplete_answers(self._packets, recent_answers(self.connection, self.now))

    @cached_property
    def without_level1(self) -> list[Waiting]:
        """Files of level L0 from which no file of level L1 was made, oldest first.

        On-board and UTC days differ by minutes, so adjacent days count too.
        """
        return self._all(
            Waiting,
            # Expanded to adjacent days and joined by equality: a range would be compared row by row.
            "WITH level1 AS (SELECT DISTINCT kind, day + step AS day, coalesce(request, -1) AS request,"
            "  coalesce(request_control, -1) AS control FROM product_file, generate_series(-1, 1) AS step"
            "  WHERE superseded_at IS NULL AND level = 'L1')"
            " SELECT name, family, level0.kind, level0.day, made_at FROM product_file AS level0"
            " LEFT JOIN level1 ON level1.kind = level0.kind AND level1.day = level0.day"
            "  AND level1.request = coalesce(level0.request, -1)"
            "  AND level1.control = coalesce(level0.request_control, -1)"
            " WHERE superseded_at IS NULL AND level = 'L0' AND rows > 0 AND family <> 'auxiliary'"
            "  AND level1.kind IS NULL"
            " ORDER BY made_at, name",
        )

    @cached_property
    def kernels(self) -> KernelState:
        """Kernels in use."""
        return kernels_of(self.settings.telemetry.kernels)

    @cached_property
    def targets(self) -> list[TargetState]:
        """Deliveries to each target."""
        settings, folder = self.settings.publication, self.settings.telemetry_folder / "products"
        return [target_state(self.connection, target, settings, self.now, folder) for target in settings.targets]

    @cached_property
    def alerts(self) -> list[OpenAlert]:
        """Persisting causes about telemetry and publication."""
        return self._all(
            OpenAlert,
            "SELECT subject, cause, first_at, count FROM notification WHERE ended_at IS NULL"
            " AND cause ~ '(telemetry|published_files|publish_products|[ /](lb|l0|l1|l2)_)' ORDER BY first_at, cause",
        )

    def _all(self, model: type[Row], statement: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        with self.connection.cursor(row_factory=class_row(model)) as cursor:
            cursor.execute(statement, values or {})
            return cursor.fetchall()


def packets_by_family(folder: Path) -> dict[str, int] | None:
    """Count the packets of a store, read-only; None if there is no readable store."""
    path = folder / "index.sqlite"
    if not path.is_file():
        return None
    counts: dict[str, int] = {}
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=3.0)
        try:
            rows = connection.execute(
                "SELECT service, subservice, ssid, count(*) FROM packet GROUP BY service, subservice, ssid"
            ).fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return None
    for service, subservice, ssid, count in rows:
        family = family_of((service, subservice, None if ssid < 0 else ssid))
        counts[family] = counts.get(family, 0) + int(count)
    return counts


def kernels_of(folder: Path | None) -> KernelState:
    """Identify the kernels of a folder."""
    if folder is None:
        return KernelState(detail="no folder of kernels is configured: BROKER_TELEMETRY__KERNELS")
    try:
        kernels = Kernels.of_folder(folder)
    except (KernelError, OSError) as error:
        return KernelState(detail=str(error))
    flown = any("flown" in name.lower() for name in kernels.names)
    until = kernels.issued.astype("datetime64[D]").item() if flown and kernels.issued is not None else None
    return KernelState(names=kernels.names, flown_until=until)
