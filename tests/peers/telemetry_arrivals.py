"""A place where telemetry arrives: folders with a small instrument, and files of housekeeping reports."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import Settings, TelemetrySettings
from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
from broker_assets.telemetry.idb.open_database import write_open_folder
from broker_assets.telemetry.packets.encoding import PacketHeader, encode, to_xml

DAY = datetime.date(2023, 11, 1)
NAME = "TM_Batch.PktTmRaw.SOL.0.2023.305.{number:04d}.xml"


def seconds_of(day: datetime.date) -> int:
    """On-board seconds of the noon of a day."""
    return (day - datetime.date(2000, 1, 1)).days * 86400 + 43200


@dataclass
class Site:
    """Everything that receiving telemetry needs."""

    folder: Path
    settings: Settings
    database: InstrumentDatabase

    @property
    def incoming(self) -> Path:
        """Where files arrive."""
        return self.folder / "arriving"

    @property
    def telemetry(self) -> Telemetry:
        """The resource."""
        return Telemetry.of(self.settings)

    def packet(self, number: int, day: datetime.date = DAY) -> bytes:
        """A housekeeping report; another number is another report, a minute later."""
        header = PacketHeader(seconds_of(day) + 60 * number, 0, number)
        return encode(self.database, (3, 25, 1), {"NIX00020": 1, "NIXD0025": 2000 + number % 1000}, header)

    def content(self, numbers: Iterable[int], day: datetime.date = DAY) -> bytes:
        """A telemetry file."""
        return b"".join(to_xml([self.packet(number, day) for number in numbers]))

    def arrive(self, number: int, numbers: Iterable[int], day: datetime.date = DAY) -> Path:
        """A file with some reports appears, at once."""
        path = self.incoming / NAME.format(number=number)
        path.write_bytes(self.content(numbers, day))
        return path


def make_site(folder: Path, *, stable_seconds: float = 0.0, incoming: list[str] | None = None, **more: Any) -> Site:
    """Write databases and configuration; the settings know them."""
    (folder / "arriving").mkdir()
    databases = write_open_folder(folder / "databases")
    configuration = folder / "configuration"
    configuration.mkdir()
    (configuration / "VERSION.TXT").write_text("v0.0.1\n")
    settings = Settings(
        home=folder / "home",
        telemetry=TelemetrySettings(
            incoming=[str(folder / "arriving")] if incoming is None else incoming,
            stable_seconds=stable_seconds,
            databases=databases,
            configuration=configuration,
            **more,
        ),
    )
    return Site(folder, settings, InstrumentDatabases(databases).at(seconds_of(DAY)).database)
