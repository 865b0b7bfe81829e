"""A small mission in a folder: telemetry and everything that is needed to make products from it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.idb.database_versions import DATABASE_FILE
from broker_assets.telemetry.idb.open_database import VERSION, write_open_folder
from broker_assets.telemetry.simulation import calibration, housekeeping, quicklook, science
from broker_assets.telemetry.simulation.configuration import write_configuration
from broker_assets.telemetry.simulation.delivery import UNSYNCHRONISED, Fault, Packet, files_of_day, write_file
from broker_assets.telemetry.simulation.drafts import Draft, Packer, in_order
from broker_assets.telemetry.simulation.kernels import write_kernels
from broker_assets.telemetry.simulation.planning import write_planning, write_requests
from broker_assets.telemetry.simulation.science import ScienceRequest, requests_of_day
from broker_assets.telemetry.simulation.sun import SECONDS_PER_DAY, Flare, Sun, generator

EPOCH: Final = datetime.date(2000, 1, 1)
FIRST_DAY: Final = datetime.date(2020, 2, 10)
LAST_DAY: Final = datetime.date(2042, 12, 31)
"""Numbers of requests on later days do not fit into their field."""


@dataclass(frozen=True)
class Mission:
    """The folders and files of a mission."""

    folder: Path
    incoming: Path
    """Telemetry files."""
    files: tuple[Path, ...]
    """These files in the order of delivery, including damaged ones."""
    databases: Path
    configuration: Path
    kernels: Path
    planning: Path
    requests: Path
    """Table of requests, CSV."""
    start: datetime.date
    days: int
    packets: int
    """Different packets that can be read from the files."""
    science: tuple[ScienceRequest, ...]
    flares: tuple[Flare, ...]
    faults: frozenset[Fault]

    @property
    def process_options(self) -> list[str]:
        """Options of `broker-assets telemetry process` that name these folders."""
        return [
            *("--tm-dir", str(self.incoming), "--idb", str(self.databases)),
            *("--configuration", str(self.configuration), "--spice-dir", str(self.kernels)),
            *("--soop-dir", str(self.planning), "--rid-lut-file", str(self.requests)),
        ]


def write_mission(
    folder: Path,
    *,
    start: datetime.date,
    days: int = 1,
    seed: int = 1,
    faults: Collection[Fault] = (),
    shuffled: bool = False,
    flown: datetime.date | None = None,
    report: Callable[[str], None] | None = None,
) -> Mission:
    """Write a mission; the same arguments give the same bytes.

    Parameters
    ----------
    folder : path
        Folder for `incoming`, `databases`, `configuration`, `kernels`, `planning` and `requests.csv`; it must not
        contain a mission.
    start : date
        First on-board day, from 2020-02-10 on.
    days : int
        Number of days. Apart from packet counts, the content of a day does not depend on it.
    seed : int
    faults : collection of Fault
        What is wrong with the first day.
    shuffled : bool
        Whether packets are in random order in the files.
    flown : date, optional
        Date of the flown meta-kernel; by default late enough for all days to be final.
    report : callable, optional
        Gets the name of each file when it is written.

    Raises
    ------
    ValueError
        If a day is outside the mission.
    FileExistsError
        If the folder has a mission already.
    """
    end = start + datetime.timedelta(days=days)
    if days < 1 or start < FIRST_DAY or end > LAST_DAY:
        raise ValueError(f"{days} days from {start} are not between {FIRST_DAY} and {LAST_DAY}")
    incoming = folder / "incoming"
    if incoming.exists() or (folder / "databases").exists():
        raise FileExistsError(f"{folder} has a mission already")
    incoming.mkdir(parents=True)
    databases = write_open_folder(folder / "databases")
    numbers = [(start - EPOCH).days + number for number in range(days)]
    sun = Sun.of_days(seed, numbers)
    kernels = write_kernels(
        folder / "kernels", start=start, end=end, flown=flown or end + datetime.timedelta(days=2), seed=seed
    )
    requested = tuple(request for day in numbers for request in requests_of_day(sun, day))
    packer = Packer(InstrumentDatabase.open(databases / f"v{VERSION}" / DATABASE_FILE))
    written: list[Path] = []
    before: list[Packet] = []
    count = 0
    for day in numbers:
        wrong = frozenset(faults) if day == numbers[0] else frozenset[Fault]()
        packets = [Packet(draft, packer.pack(draft)) for draft in _drafts(sun, day, wrong)]
        shuffle = generator(seed, day, "order") if shuffled else None
        for name, content in files_of_day(packets, before, day, faults=wrong, shuffle=shuffle):
            written.append(write_file(incoming, name, content))
            if report is not None:
                report(name)
        count += len(packets) - len(wrong & {Fault.WRONG_LENGTH, Fault.LOST_PACKET})
        before = packets
    return Mission(
        folder=folder,
        incoming=incoming,
        files=tuple(written),
        databases=databases,
        configuration=write_configuration(folder / "configuration"),
        kernels=kernels,
        planning=write_planning(folder / "planning", start, days),
        requests=write_requests(folder / "requests.csv", requested),
        start=start,
        days=days,
        packets=count,
        science=requested,
        flares=sun.flares,
        faults=frozenset(faults),
    )


def _drafts(sun: Sun, day: int, faults: frozenset[Fault]) -> list[Draft]:
    """All packets of an on-board day in order of time."""
    drafts = [
        *quicklook.of_day(sun, day),
        *housekeeping.of_day(sun, day),
        *calibration.of_day(sun, day),
        *science.of_day(sun, day),
    ]
    if Fault.UNSYNCHRONISED in faults:
        noon = day * SECONDS_PER_DAY + SECONDS_PER_DAY // 2
        drafts += [
            Draft((3, 25, 1), UNSYNCHRONISED | noon + number, {"NIXD0023": 1, "NIXD0025": 2500}) for number in range(3)
        ]
    return in_order(drafts)
