"""A file of every kind and level, made by the real pipeline from packets of the open database.

The files are small and always the same: the schemas of products are derived from them, and tests compare both.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from broker_assets.telemetry.archive.product_archive import Archive
from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.idb.open_database import write_open_database
from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.packets.batches import RawPacket
from broker_assets.telemetry.packets.encoding import to_xml
from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.files.fits import Extension
from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels import lowlatency
from broker_assets.telemetry.products.levels.ancillary import ancillary_product
from broker_assets.telemetry.products.levels.calibrated_energy import calibration_products
from broker_assets.telemetry.products.levels.derived import derived_file
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem, level0_of_day
from broker_assets.telemetry.products.levels.level1 import level1_of_day
from broker_assets.telemetry.products.product import Product
from broker_assets.telemetry.products.programs.energy_calibration import (
    ALL_PIXELS,
    CONVERTED,
    PARAMETERS,
    PROGRAMS,
    EnergyCalibration,
)
from broker_assets.telemetry.products.programs.running import Step
from broker_assets.telemetry.reception.packet_store import PacketStore, StoredPacket
from broker_assets.telemetry.reception.storing import receive_found
from broker_assets.telemetry.simulation.configuration import write_configuration
from broker_assets.telemetry.simulation.drafts import Draft, Packer
from broker_assets.telemetry.simulation.kernels import write_kernels

DAY: Final = datetime.date(2021, 1, 17)
START: Final = 664156800 + 43200
"""On-board noon of `DAY`."""
ALL_DETECTORS: Final = (1 << 32) - 1
ALL_PIXELS_MASK: Final = 0xFFF
FLOWN: Final = datetime.date(2021, 2, 1)
Values = dict[str, Any]
_REQUEST: Final[Values] = {"NIX00001": 91, "NIX00002": 50001, "NIX00402": START << 16}
_COUNTS: Final[Values] = {"NIXD0008": 4, "NIXD0009": 4}
_TRIGGERS: Final[Values] = {"NIXD0011": 4, "NIXD0012": 4}
_EDGES: Final = 0b1001001010


def write_specimens(folder: Path) -> list[Path]:
    """Make the files.

    Parameters
    ----------
    folder : Path
        Folder for the inputs, a packet store and the archive.

    Returns
    -------
    list of Path
        The product files.

    Raises
    ------
    RuntimeError
        If one cannot be made, because builders and specimens disagree.
    """
    database = InstrumentDatabase.open(write_open_database(folder / "idb.sqlite"))
    inputs = specimen_inputs(folder, database)
    problems: list[Problem] = []
    with PacketStore(folder / "packets") as store:
        received = receive_found(packets(database), "specimens.xml", store, database)
        outcome = Archive(folder / "archive", store, inputs).rebuild(received.touched, ("LB", "L0", "L1"))
        problems += outcome.problems
        problems += [Problem(f"packet {bad.number}", bad.reason) for bad in received.bad]
        _derived(folder, store, inputs, problems)
    _low_latency(folder, database, inputs)
    if problems:
        raise RuntimeError("; ".join(f"{problem.what}: {problem.reason}" for problem in problems))
    return sorted([*(folder / "archive").rglob("*.fits"), *(folder / "output").rglob("*.fits")])


def specimen_inputs(folder: Path, database: InstrumentDatabase) -> Inputs:
    """Configuration and kernels of the simulation, written below a folder."""
    kernels = write_kernels(folder / "kernels", start=DAY, end=DAY, flown=FLOWN)
    return Inputs(
        database,
        InstrumentConfiguration(write_configuration(folder / "configuration")),
        Kernels.of_folder(kernels),
    )


def packets(database: InstrumentDatabase) -> Iterator[RawPacket]:
    """One packet or two of every kind."""
    packer = Packer(database)
    for number, draft in enumerate(_drafts()):
        yield RawPacket(packer.pack(draft), "specimens.xml", number, number)


def _drafts() -> Iterator[Draft]:
    for number in range(2):
        yield Draft((3, 25, 1), START + 64 * number, {"NIXD0025": 2000})
        yield Draft((3, 25, 2), START + 64 * number, {"NIXD0025": 2000, "NIX00078": 10})
    yield Draft((5, 1, 33), START, {})
    yield Draft((17, 2, None), START, {})
    yield Draft((239, 3, None), START, {"NIX00103": 2, "NIX00100": [0, 1], "NIX00101": [9, 9], "NIX00102": [9, 9]})
    kinds = (_light_curve, _background, _spectra, _variance, _flare_flag, _calibration, _aspect)
    for make in kinds:
        structure_id, values = make()
        yield Draft((21, 6, structure_id), START + 200, {"NIX00445": START, **values})
    yield Draft((21, 6, 43), START, _flares())
    for number, (structure_id, values) in enumerate((_raw_pixels(), _pixels(21), _pixels(22), _vis(), _spectrogram())):
        yield Draft((21, 6, structure_id), START + 900, {**_REQUEST, "NIX00037": 1234567 + number, **values})


def _light_curve() -> tuple[int, Values]:
    values: Values = {"NIX00405": 39, "NIX00407": ALL_DETECTORS, "NIXD0407": ALL_PIXELS_MASK, "NIX00266": _EDGES}
    values |= {"NIXD0102": 5, "NIXD0103": 3, "NIXD0105": 5, "NIXD0106": 3, "NIX00270": 3, "NIX00271": [2] * 3}
    return 30, values | {
        **{"NIX00272": list(range(6)), "NIX00273": 2, "NIX00274": [1, 2]},
        **{"NIX00275": 2, "NIX00276": [0, 1]},
    }


def _background() -> tuple[int, Values]:
    values: Values = {"NIX00405": 79, "NIX00266": _EDGES, "NIXD0109": 5, "NIXD0110": 3, "NIXD0113": 5, "NIXD0114": 3}
    values |= {"NIX00270": 3, "NIX00277": [2] * 3, "NIX00278": list(range(6)), "NIX00273": 2, "NIX00274": [1, 2]}
    return 31, values


def _spectra() -> tuple[int, Values]:
    values: Values = {"NIX00405": 39, "NIX00089": 32, "NIXD0407": ALL_PIXELS_MASK}
    values |= {"NIXD0116": 5, "NIXD0117": 3, "NIXD0113": 5, "NIXD0114": 3}
    values |= {"NIX00100": list(range(32)), "NIX00484": list(range(32)), "NIX00485": list(range(32))}
    return 32, values | {f"NIX00{452 + energy}": [energy] * 32 for energy in range(32)}


def _variance() -> tuple[int, Values]:
    values: Values = {
        "NIX00405": 39,
        "NIX00279": 40,
        "NIX00407": ALL_DETECTORS,
        "NIX00282": 255,
        "NIXD0407": ALL_PIXELS_MASK,
    }
    return 33, values | {"NIXD0119": 5, "NIXD0120": 3, "NIX00280": 2, "NIX00281": [1, 2]}


def _flare_flag() -> tuple[int, Values]:
    names = ("NIXD0449", "NIXD0059", "NIXD0060", "NIXD0061", "NIX00283", "NIX00284")
    return 34, {"NIX00405": 39, "NIX00089": 2, **{name: [0, 1] for name in names}}


def _calibration() -> tuple[int, Values]:
    values: Values = {
        "NIX00122": 7200,
        "NIX00123": 100,
        "NIX00124": 5_000_000,
        "NIX00125": 2000,
        "NIXD0127": 5,
        "NIXD0128": 3,
    }
    values |= {"NIX00407": ALL_DETECTORS, "NIXD0407": ALL_PIXELS_MASK, "NIX00160": 1}
    values |= {"NIXD0129": 3, "NIXD0130": 0, "NIXD0131": 10, "NIX00159": 1}
    return 41, values | {
        **{"NIXD0155": [0], "NIXD0156": [0], "NIXD0157": [0]},
        **{"NIX00146": [4], "NIX00158": [1, 2, 3, 4]},
    }


def _aspect() -> tuple[int, Values]:
    values: Values = {"NIX00490": 2, "NIX00088": 4, "NIX00089": 2}
    return 42, values | {f"NIX000{number}": [100, 101] for number in range(90, 94)}


def _flares() -> Values:
    values: Values = {"NIX00285": 5, "NIX00286": 6, "NIX00294": 1, "NIX00287": [10], "NIX00288": [11]}
    return values | {"NIX00289": [1], "NIX00290": [100], "NIX00291": [-3], "NIX00292": [-4], "NIX00293": [1]}


def _raw_pixels() -> tuple[int, Values]:
    values: Values = {"NIX00403": 2, "NIX00404": [6, 16], "NIX00401": [0, 0], "NIX00405": [7, 7]}
    values |= {"NIXD0407": [ALL_PIXELS_MASK] * 2, "NIX00407": [0b111] * 2, "NIX00406": [1, 1]}
    values |= {f"NIX00{number}": [1, 1] for number in range(408, 424)}
    values |= {"NIXD0158": [3, 4], "NIXD0153": [0, 2], "NIXD0154": [9, 30], "NIXD0159": [0, 0]}
    return 20, values


def _bins(count: int) -> Values:
    """Time bins of pixel data and visibilities."""
    values: Values = {"NIX00403": count, "NIX00441": [20 * number for number in range(count)]}
    values |= {"NIX00401": [0] * count, "NIX00405": [20] * count, "NIX00258": [2] * count, **_COUNTS, **_TRIGGERS}
    values |= {"NIXD0016": [4, 6] * count, "NIXD0017": [5, 9] * count}
    return values | {f"NIX00{number}": [number - 242] * count for number in range(242, 258)}


def _pixels(structure_id: int) -> tuple[int, Values]:
    values = _bins(2) | {"NIX00442": [3] * 2, "NIXD0407": [1, 2, 16] * 2, "NIX00407": [0b1001] * 2}
    return structure_id, values | {"NIX00259": [6] * 4, "NIX00260": list(range(24))}


def _vis() -> tuple[int, Values]:
    values = _bins(2) | {"NIXD0009": 3, "NIXD0007": 1, "NIX00407": [7, 7]}
    values |= {name: [1, 1] for name in ("NIXD0407", "NIXD0444", "NIXD0445", "NIXD0446", "NIXD0447")}
    values |= {"NIX00261": [1, 2, 3, 4], "NIX00262": [3] * 4, "NIX00100": [0, 1, 2] * 4}
    return 23, values | {"NIX00263": list(range(12)), "NIX00264": [128 + number for number in range(12)]}


def _spectrogram() -> tuple[int, Values]:
    values: Values = {"NIX00403": 1, "NIXD0407": [ALL_PIXELS_MASK], "NIX00407": [ALL_DETECTORS], "NIX00401": [0]}
    values |= {"NIXD0442": [4], "NIXD0443": [6], "NIXD0019": [0], "NIX00089": [2], "NIX00441": [0, 10]}
    values |= {"NIX00267": [1, 2], "NIX00270": [3, 3], "NIX00268": list(range(6)), "NIX00269": [20]}
    return 24, values | _COUNTS | _TRIGGERS


def _derived(folder: Path, store: PacketStore, inputs: Inputs, problems: list[Problem]) -> None:
    """CAL and ANC files of the day, with a replacement for the energy-calibration programs."""
    programs = folder / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).touch()
    found = calibration_products(
        _level1((21, 6, 41), store, inputs, problems), inputs, EnergyCalibration(programs, _results), problems
    )
    ancillary = ancillary_product(_level1((3, 25, 2), store, inputs, problems), inputs, None, problems)
    for product in [*found, *([] if ancillary is None else [ancillary])]:
        path, cards, tables = derived_file(product, inputs, product.kind.version)
        fits.write(folder / "archive" / path, cards, tables)


def _level1(key: tuple[int, int, int], store: PacketStore, inputs: Inputs, problems: list[Problem]) -> Product:
    day = START - 43200
    first = day * clock.TICKS_PER_SECOND
    stored: list[StoredPacket] = store.of_days(key, first, first + clock.TICKS_PER_DAY)
    products = level0_of_day(KINDS[key], stored, inputs, problems, day)
    if products and inputs.kernels is not None:
        utc = inputs.kernels.clock.utc_day(products[0].time)[0]
        for found in level1_of_day(KINDS[key], products, inputs.kernels, utc):
            return found
    raise RuntimeError(f"no level L1 of {key}")


def _results(step: Step) -> str:
    """Result files of the energy-calibration programs: the same for all pixels."""
    if Path(step.command[0]).name == "ECC":
        table = {"gain": 2.3, "off": 220.0, "goc": 1.0}
        columns = {name: Column(np.full(ALL_PIXELS, value)) for name, value in table.items()}
        (step.folder / PARAMETERS).write_bytes(fits.file_bytes([], [Extension("ECC", columns)]))
        energy = np.arange(4.0, 150.0, 0.5)
        spectra = np.full((len(energy), ALL_PIXELS), 10.0)
        converted = {"erg_center": Column(energy), "spectra": Column(spectra)}
        (step.folder / CONVERTED).write_bytes(fits.file_bytes([], [Extension("SPEC", converted)]))
    return ""


def _low_latency(folder: Path, database: InstrumentDatabase, inputs: Inputs) -> None:
    """LL01 files of a request."""
    request = folder / "requests" / "request_20210117_120000"
    (request / "telemetry").mkdir(parents=True)
    raw = [packet.data for packet in packets(database)]
    (request / "telemetry" / "specimens.xml").write_bytes(b"".join(to_xml(raw)))
    now = np.datetime64("2021-01-17T13:00:00")
    found = lowlatency.answer(request, folder / "output", inputs, now)
    if found.reason is not None:
        raise RuntimeError(found.reason)
