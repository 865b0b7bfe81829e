"""Fixtures: databases, generated packets, and other inputs of products, in tests and in the golden runs."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker_assets.telemetry import InstrumentDatabase, RawPacket
from broker_assets.telemetry.idb.layouts import Group
from broker_assets.telemetry.idb.open_database import write_open_database
from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.inputs.requests import RequestTable
from broker_assets.telemetry.inputs.soop import Planning
from broker_assets.telemetry.packets.encoding import PacketHeader, encode
from broker_assets.telemetry.products.levels.level0 import Inputs

__all__ = [
    "broken_lightcurve",
    "flight_database",
    "flight_inputs",
    "flight_kernels",
    "make_packet",
    "odd_lightcurve",
    "open_database",
    "open_inputs",
    "packet_pool",
]
"""The fixtures: a conftest of tests of telemetry imports them all."""

PacketMaker = Callable[..., bytes]


@pytest.fixture(scope="session")
def make_packet() -> PacketMaker:
    """`random_packet`, for tests (test modules cannot import one another)."""
    return random_packet


@pytest.fixture(scope="session")
def open_database(tmp_path_factory: pytest.TempPathFactory) -> InstrumentDatabase:
    """The open database, written and read back."""
    return InstrumentDatabase.open(write_open_database(tmp_path_factory.mktemp("idb") / "idb.sqlite"))


@pytest.fixture(scope="session")
def flight_database(shared_folder: Path) -> InstrumentDatabase:
    """The flight database 2.26.34, a build that lacks most of the completed calibrations."""
    return InstrumentDatabase.open(shared_folder / "data/stix/idb/v2.26.34/idb.sqlite")


def random_packet(database: InstrumentDatabase, seed: int, *, longest: int = 4, valid: bool = True) -> bytes:
    """A packet of a random kind with random content.

    Counters are small; with `valid` the compression schemes are those the flight software uses and continuation bits
    are possible ones, else both may be anything.
    """
    source = random.Random(seed)
    structure = source.choice(sorted(database.structures.values(), key=lambda kind: kind.spid))
    instrument = database.instrument
    schemes = instrument.schemes.get(structure.key, {}).values()
    fixed = {
        name: value
        for s in schemes
        for name, value in zip(s.parameters, source.choice(((0, 5, 3), (1, 4, 3), (0, 0, 7))), strict=True)
    }
    values: dict[str, list[int]] = {}

    def fill(group: Group) -> None:
        for field in group.fields:
            parameter = field.parameter
            value = source.getrandbits(parameter.width)
            if parameter.signed and value >> (parameter.width - 1):
                value -= 1 << parameter.width
            if field.repeats is not None:
                most = 2 if parameter.name in instrument.continuation else longest
                value = source.randint(0, min(most if valid else most + 1, (1 << parameter.width) - 1))
            elif valid and parameter.name in fixed:
                value = fixed[parameter.name]
            values.setdefault(parameter.name, []).append(value)
            if field.repeats is not None:
                for _ in range(value):
                    fill(field.repeats)

    fill(database.layout(structure).root)
    position = database.structure_id_positions.get(structure.key[:2])
    if position is not None and structure.key[2] is not None:
        for field in database.layout(structure).root.fields:
            at = field.position if field.position is not None else 128
            if at == position[0] * 8 and field.parameter.width == position[1]:
                values[field.parameter.name][0] = structure.key[2]
                break
    header = PacketHeader(source.getrandbits(31), source.getrandbits(16), source.getrandbits(14), process_id=91)
    return encode(database, structure.key, values, header)


@pytest.fixture(scope="session")
def flight_kernels(shared_folder: Path) -> Kernels:
    """Clock and leap seconds of 2020; stand-ins for positions and frames."""
    return Kernels.of_folder(shared_folder / "data/stix/run_inputs/kernels")


@pytest.fixture(scope="session")
def flight_inputs(shared_folder: Path, flight_kernels: Kernels) -> Inputs:
    """What the golden runs used."""
    folder = shared_folder / "data/stix"
    return Inputs(
        InstrumentDatabase.open(folder / "idb/v2.26.34_variants/idb_7dbe7b7d.sqlite"),
        InstrumentConfiguration(folder / "stix_conf"),
        flight_kernels,
        RequestTable.read(folder / "run_inputs/rid_lut.csv"),
        Planning.of_folder(folder / "run_inputs/soop"),
    )


LEAP_SECONDS = r"""KPL/LSK
\begindata
DELTET/DELTA_T_A = 32.184
DELTET/K = 1.657D-3
DELTET/EB = 1.671D-2
DELTET/M = ( 6.239996D0 1.99096871D-7 )
DELTET/DELTA_AT = ( 32, @1999-JAN-1
                    33, @2006-JAN-1
                    34, @2009-JAN-1
                    35, @2012-JUL-1
                    36, @2015-JUL-1
                    37, @2017-JAN-1 )
\begintext
"""
CLOCK = r"""KPL/SCLK
\begindata
SCLK_KERNEL_ID = ( @2020-01-01/00:00 )
SCLK_DATA_TYPE_144 = ( 1 )
SCLK01_TIME_SYSTEM_144 = ( 2 )
SCLK01_N_FIELDS_144 = ( 2 )
SCLK01_MODULI_144 = ( 4294967296 65536 )
SCLK01_OFFSETS_144 = ( 0 0 )
SCLK01_OUTPUT_DELIM_144 = ( 2 )
SCLK_PARTITION_START_144 = ( 0.0000000000000E+00 )
SCLK_PARTITION_END_144 = ( 2.8147497671065E+14 )
SCLK01_COEFFICIENTS_144 = ( 0.0 -43135.816 1.0 )
\begintext
"""
"""A clock that has never drifted: second 0 is 2000-01-01T00:00:00 UTC."""


@pytest.fixture(scope="session")
def open_inputs(tmp_path_factory: pytest.TempPathFactory, open_database: InstrumentDatabase) -> Inputs:
    """Inputs without any file of a mission: open database, an ideal clock, 32 channels of 4 keV."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "leap.tls").write_text(LEAP_SECONDS)
    (folder / "clock.tsc").write_text(CLOCK)
    (folder / "detector").mkdir()
    (folder / "VERSION.TXT").write_text("v0.0.1\n")
    (folder / "detector/science_echan_index.csv").write_text(
        "index, start_date, end_date, sci_chan_file\n0, 2000-01-01T00:00:00, none, channels.csv\n"
    )
    rows = [f"{i},{i},{4 * i},{4 * i},{4 * i + 4 if i < 31 else 'maxADC'},4,1,0" for i in range(32)]
    (folder / "detector/channels.csv").write_text(
        "\n" * 21 + "Channel Number,,,Elower,Eupper\n\n\n" + "\n".join(rows) + "\n"
    )
    kernels = Kernels.of_files([folder / "leap.tls", folder / "clock.tsc"])
    return Inputs(open_database, InstrumentConfiguration(folder), kernels, RequestTable(), Planning())


@pytest.fixture(scope="session")
def odd_lightcurve(open_database: InstrumentDatabase) -> Callable[..., RawPacket]:
    """Packets of light curves of one energy among those of three: begin after midnight, seconds, and samples."""

    def made(after: int = 400, samples: int = 2) -> RawPacket:
        values = lightcurve_values(MIDNIGHT + after, samples)
        values |= {"NIX00266": 0b1010, "NIX00270": 1, "NIX00271": [samples], "NIX00272": [1] * samples}
        values = with_structure_id(open_database, (21, 6, 30), values)
        header = PacketHeader(MIDNIGHT + after + 100)
        return RawPacket(encode(open_database, (21, 6, 30), values, header), f"odd{after}.xml", 0, 1)

    return made


@pytest.fixture(scope="session")
def broken_lightcurve(open_database: InstrumentDatabase) -> RawPacket:
    """A light curve whose energies have different numbers of samples: no product can be made of it."""
    values = lightcurve_values(MIDNIGHT + 400, 2) | {"NIX00271": [2, 2, 1], "NIX00272": [1] * 5}
    values = with_structure_id(open_database, (21, 6, 30), values)
    return RawPacket(encode(open_database, (21, 6, 30), values, PacketHeader(MIDNIGHT + 500)), "broken.xml", 0, 1)


MIDNIGHT = 664156800
"""An on-board midnight; with the ideal clock also one of UTC."""


@pytest.fixture(scope="session")
def packet_pool(open_database: InstrumentDatabase) -> list[RawPacket]:
    """Packets of several kinds around midnight, a request in three packets included."""
    pool: list[bytes] = []

    def add(
        key: tuple[int, int, int | None], coarse: int, values: dict[str, Any], flag: int = 3, count: int = 0
    ) -> None:
        header = PacketHeader(coarse, 0, count or len(pool), flag)
        pool.append(encode(open_database, key, with_structure_id(open_database, key, values), header))

    for i in range(5):
        start = MIDNIGHT - 300 + 120 * i
        add((21, 6, 30), start + 121, lightcurve_values(start, 30, i))
    for i in range(3):
        start = MIDNIGHT - 160
        numbers = range(20 * i, 20 * i + 20)
        values = {"NIX00445": start, "NIX00405": 39, "NIX00089": 20, "NIXD0407": 0xFFF}
        values |= {"NIXD0116": 5, "NIXD0117": 3, "NIXD0113": 5, "NIXD0114": 3}
        lists = {"NIX00100": [n % 32 for n in numbers], "NIX00484": list(numbers), "NIX00485": list(numbers)}
        lists |= {f"NIX00{452 + e}": [(n * e) % 200 for n in numbers] for e in range(32)}
        add((21, 6, 32), start + 300 + i, values | lists)
    for i in range(4):
        add((3, 25, 1), MIDNIGHT - 90 + 64 * i, {"NIXD0025": 2000 + i})
    add((5, 1, 33), MIDNIGHT + 5, {})
    add((17, 2, None), MIDNIGHT + 5, {})
    for i, flag in enumerate((1, 0, 2)):
        add((21, 6, 21), MIDNIGHT + 1000 + i, pixel_values(i), flag, 500 + i)
    return [RawPacket(data, "pool.xml", number, number) for number, data in enumerate(pool)]


def with_structure_id(
    database: InstrumentDatabase, key: tuple[int, int, int | None], values: dict[str, Any]
) -> dict[str, Any]:
    """Values with the field that says what kind of packet it is."""
    position = database.structure_id_positions.get(key[:2])
    structure = database.structure(*key)
    assert structure is not None
    first = database.layout(structure).root.fields[:1]
    return values if position is None or key[2] is None else {first[0].parameter.name: key[2], **values}


def lightcurve_values(start: int, samples: int, seed: int = 0) -> dict[str, Any]:
    """A light curve packet with three energies and bins of 4 s."""
    return {
        "NIX00445": start,
        "NIX00405": 39,
        "NIX00407": 0xFFFFFFFF,
        "NIXD0407": 0xFFF,
        "NIXD0102": 5,
        "NIXD0103": 3,
        "NIXD0105": 5,
        "NIXD0106": 3,
        "NIX00266": 0b1001001010,
        "NIX00270": 3,
        "NIX00271": [samples] * 3,
        "NIX00272": [(seed * 7 + n) % 256 for n in range(3 * samples)],
        "NIX00273": samples,
        "NIX00274": [(seed + n) % 256 for n in range(samples)],
        "NIX00275": samples,
        "NIX00276": [0] * samples,
    }


def pixel_values(part: int) -> dict[str, Any]:
    """A third of a request for pixel data: two time bins, two energies, two detectors, three pixels."""
    values: dict[str, Any] = {"NIX00001": 91, "NIX00002": 50001, "NIX00037": 1234567, "NIX00402": MIDNIGHT << 16}
    values |= {"NIXD0008": 4, "NIXD0009": 4, "NIXD0011": 4, "NIXD0012": 4, "NIX00403": 2}
    values |= {f"NIX00{number}": [number - 242, 1] for number in range(242, 258)}
    values |= {"NIX00441": [40 * part, 40 * part + 20], "NIX00401": [0, 0], "NIX00442": [3, 3]}
    values |= {"NIXD0407": [1, 2, 16] * 2, "NIX00407": [0b1001] * 2, "NIX00405": [20, 20], "NIX00258": [2, 2]}
    values |= {"NIXD0016": [4, 6] * 2, "NIXD0017": [5, 9] * 2, "NIX00259": [6] * 4}
    return values | {"NIX00260": [(part * 24 + n) % 100 for n in range(24)]}
