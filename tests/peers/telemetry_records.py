"""Rows of the tables of telemetry and publication, written as the platform would."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from broker_assets.database.engine import connect
from broker_assets.database.tables import product_file, product_file_input, publication, telemetry_file
from broker_assets.monitoring.telemetry.facts import Look
from broker_assets.monitoring.telemetry.judgements import Finding
from broker_assets.resources.database import Database
from broker_assets.settings import PublicationSettings, PublicationTarget, Settings, TelemetrySettings

FOLDER = "file:///data/incoming"


class Records:
    """Writes rows; times are hours before `now`."""

    def __init__(self, url: str, home: Path, now: datetime.datetime) -> None:
        self.now = now
        self.database = Database(url)
        self.settings = Settings(
            home=home,
            telemetry=TelemetrySettings(incoming=[FOLDER]),
            publication=PublicationSettings(targets=[PublicationTarget(name="soar", url="file:///soar")]),
        )

    def hours(self, number: float) -> datetime.datetime:
        """So many hours ago."""
        return self.now - datetime.timedelta(hours=number)

    def insert(self, table: sa.Table, **values: Any) -> Any:
        """Write a row; gives its key."""
        with self.database.engine.begin() as connection:
            return connection.execute(sa.insert(table).values(**values)).inserted_primary_key

    def execute(self, statement: str) -> None:
        """Run a statement."""
        with self.database.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def file(self, name: str, state: str = "new", *, seen: float = 1.0, **values: Any) -> int:
        """A telemetry file that was first seen so many hours ago."""
        row = {"folder": FOLDER, "url": f"{FOLDER}/{name}", "version": 1, "size": 10, "state": state}
        row |= {"first_seen": self.hours(seen), "name": name}
        return int(self.insert(telemetry_file, **(row | values))[0])

    def product(
        self, level: str, day: str, *, kind: str = "ql-lightcurve", family: str = "quicklook", parent: str = "",
        made: float = 1.0, name: str = "", **values: Any,
    ) -> str:  # fmt: skip
        """A current product file that was made so many hours ago."""
        name = name or f"solo_{level}_stix-{kind}_{day.replace('-', '')}_V02.fits"
        row: dict[str, Any] = {"path": f"{level}/{name}", "name": name, "level": level, "family": family, "kind": kind}
        row |= {"version": 2, "day": datetime.date.fromisoformat(day), "rows": 5, "starts": "", "ends": "", "size": 100}
        row |= {"digest": hashlib.sha256(name.encode()).hexdigest(), "incomplete": False, "code_version": "1"}
        (identifier,) = self.insert(product_file, **(row | {"made_at": self.hours(made)} | values))
        if parent:
            self.insert(product_file_input, productfileid=identifier, kind="parent", name=parent, version="")
        return name

    def decision(self, name: str, status: str, *, ago: float = 1.0, settled: bool = True, reason: str = "") -> None:
        """What was decided on a file for the target."""
        digest = hashlib.sha256(name.encode()).hexdigest()
        self.insert(
            publication, target="soar", name=name.replace("U.fits", ".fits"), path=name, digest=digest,
            archive_name=name, subject=name, version=2, status=status, settled=settled, reason=reason, facts={},
            source_size=1, source_mtime=1, run_id="r", decided_at=self.hours(ago),
        )  # fmt: skip

    def judge(self, judgement: Callable[[Look], Finding]) -> Finding:
        """Ask with a fresh look."""
        with connect(self.database.url) as connection:
            return judgement(Look(connection, self.settings, now=self.now))
