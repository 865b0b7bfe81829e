"""Databases and generated packets for the telemetry tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from broker_assets.telemetry import InstrumentDatabase
from broker_assets.telemetry.encoding import PacketHeader, encode
from broker_assets.telemetry.layouts import Group
from broker_assets.telemetry.open_database import write_open_database

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
