"""Level L0: packets of a day or a request decoded into tables, raw values, on-board time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding.decoder import decode
from broker_assets.telemetry.decoding.results import DecodedBatch, DecodedStructure
from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
from broker_assets.telemetry.inputs.configuration import CHANNELS, ConfigurationError, InstrumentConfiguration
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.inputs.requests import RequestError, RequestTable
from broker_assets.telemetry.inputs.soop import Planning
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.builders import (
    aspect,
    calibration_spectra,
    housekeeping,
    pixels,
    quicklook,
    spectra,
    spectrogram,
    visibilities,
)
from broker_assets.telemetry.products.builders.measured import Measured, PacketSet, UnbuildableProduct
from broker_assets.telemetry.products.builders.sequences import Held, nothing_held, sequences
from broker_assets.telemetry.products.files.tables import Column, Table, rows, stack
from broker_assets.telemetry.products.kinds import ProductKind
from broker_assets.telemetry.products.product import (
    Product,
    RowEnergies,
    VersionRange,
    levelb_path,
    of_one_day,
    shape,
)
from broker_assets.telemetry.reception.packet_store import StoredPacket

BUILDERS: Final[dict[str, Callable[[PacketSet], Measured | list[Measured]]]] = {
    "lightcurve": quicklook.lightcurve,
    "background": quicklook.background,
    "variance": quicklook.variance,
    "flareflag": quicklook.flareflag,
    "tmstatusflarelist": quicklook.tmstatusflarelist,
    "spectra": spectra.spectra,
    "energy": calibration_spectra.energy,
    "housekeeping": housekeeping.housekeeping,
    "default": housekeeping.default,
    "raw_pixels": pixels.raw_pixels,
    "pixels": pixels.pixels,
    "visibilities": visibilities.visibilities,
    "spectrogram": spectrogram.spectrogram,
    "aspect": aspect.aspect,
}
"""Functions that make the tables of a kind; several tables if energies change."""

SAMPLES = "NIX00089"
"""Number of samples of a packet; packets without any are left out."""
ONE_PER_TIME: Final = frozenset({"lightcurve", "background", "variance", "flareflag", "spectra", "energy"})
"""Builders whose rows are measurements of a time bin: the same bin sent twice is one row."""


@dataclass(frozen=True)
class Inputs:
    """Everything other than packets from which products are made; each has a version of its own."""

    databases: InstrumentDatabase | InstrumentDatabases
    configuration: InstrumentConfiguration
    kernels: Kernels | None = None
    requests: RequestTable = field(default_factory=RequestTable)
    planning: Planning = field(default_factory=Planning)

    versions: Mapping[str, int] = field(default_factory=dict)
    """Processing versions in place of the code's own, by level and file stem (``L1/ql-lightcurve``)."""


@dataclass(frozen=True)
class Problem:
    """Something that could not become a product, and why."""

    what: str
    reason: str
    lacking: bool = False
    """An input is missing, and the packets are not at fault: what was made with an earlier input stays."""


def parent_of(kind: ProductKind, packet: StoredPacket) -> str:
    """Name of the file of raw packets that holds a packet."""
    return levelb_path(kind, int(clock.day_start(packet.scet)), packet.request).name


def level0_of_day(
    kind: ProductKind, packets: Sequence[StoredPacket], inputs: Inputs, problems: list[Problem], day: int
) -> list[Product]:
    """The products of an on-board day, from all packets that may have samples in it; usually one.

    Rows whose number of energies or columns differs from that of most rows become separate products, see `of_one_day`.

    Parameters
    ----------
    day : int
        First second of the day.
    """
    found = []
    for product in whole(kind, packets, inputs, problems):
        selected = np.flatnonzero(clock.day_start(product.time) == day)
        if len(selected):
            found.append(with_origin(product.with_rows(selected)))
    return of_one_day(found)


def level0_of_request(
    kind: ProductKind,
    packets: Sequence[StoredPacket],
    inputs: Inputs,
    problems: list[Problem],
    held: Held = nothing_held,
) -> list[Product]:
    """The products of a request: one per complete sequence of packets and number of energies.

    Parameters
    ----------
    held : callable
        Which sequence counts other stored packets have; see `sequences`.
    """
    products: dict[tuple[int, int], Product] = {}
    for sequence in sequences([packet for packet in packets if packet.failure is None], held):
        what = parent_of(kind, sequence.packets[0])
        if sequence.missing:
            problems.append(Problem(what, f"sequence is incomplete: {sequence.missing}"))
            continue
        found: dict[tuple[int, int], Product] = {}
        for product in _built(kind, sequence.packets, inputs, problems):
            span = product.start >> 16, product.end >> 16
            if found.setdefault(span, product) is not product:
                problems.append(
                    Problem(what, f"{len(product.time)} rows with other energies would need the name of another file")
                )
        # Two sequences with the same name are two deliveries of the same data: the first stays.
        products = found | products
    return list(products.values())


def whole(kind: ProductKind, packets: Sequence[StoredPacket], inputs: Inputs, problems: list[Problem]) -> list[Product]:
    """The products of all given packets, one of each shape, rows in order of time.

    A packet from which no product can be made is left out and recorded, so that it affects no other.
    """
    return _built(kind, packets, inputs, problems)


def _built(
    kind: ProductKind, packets: Sequence[StoredPacket], inputs: Inputs, problems: list[Problem]
) -> list[Product]:
    """The products of packets: one, or several where energies or columns change."""
    usable = [packet for packet in packets if packet.failure is None]
    if not usable:
        return []
    try:
        return _whole(kind, usable, inputs, problems)
    except ConfigurationError as error:
        problems.append(Problem(parent_of(kind, usable[0]), str(error), lacking=True))
        return []
    except _UNBUILDABLE as error:
        if kind.by_request or len(usable) == 1:
            problems.append(Problem(parent_of(kind, usable[0]), str(error)))
            return []
    fitting = _fitting(kind, usable, inputs, problems)
    try:
        made = _whole(kind, fitting, inputs, problems)
    except _UNBUILDABLE as error:
        problems.append(Problem(parent_of(kind, usable[0]), str(error)))
        return []
    left = len(usable) - len(fitting)
    return [product.warned(f"{left} packets that make no product are not in this file") for product in made]


_UNBUILDABLE = (UnbuildableProduct, RequestError, ValueError, IndexError)
"""Errors that builders raise if the content of packets makes no sense."""


def _fitting(
    kind: ProductKind, usable: Sequence[StoredPacket], inputs: Inputs, problems: list[Problem]
) -> list[StoredPacket]:
    """The packets from which a product can be made alone."""
    found = []
    for packet in usable:
        try:
            made = _whole(kind, [packet], inputs, [])
        except _UNBUILDABLE as error:
            what = f"{parent_of(kind, packet)}, packet {clock.text(packet.scet)}"
            problems.append(Problem(what, str(error)))
            continue
        found += [packet] if made else []
    return found


def _whole(kind: ProductKind, usable: Sequence[StoredPacket], inputs: Inputs, problems: list[Problem]) -> list[Product]:
    if not usable:
        return []
    batch = decode([packet.raw for packet in usable], inputs.databases)
    kept, batch = _without_empty(usable, batch, inputs)
    if kind.by_request and len(batch.structures) > 1:
        raise UnbuildableProduct("its packets belong to several versions of the instrument database")
    parts = [
        (structure, measured) for structure in batch.structures for measured in _measured(kind, structure, kept, inputs)
    ]
    if not parts:
        return []
    what = parent_of(kind, usable[0])
    problems.extend(Problem(what, text) for _, measured in parts for text in measured.problems)
    products = [[part] for part in parts] if kind.by_request else _alike(parts)
    return [_product(kind, of_product, kept, inputs) for of_product in products]


_Part = tuple[DecodedStructure, Measured]


def _alike(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Parts by the columns that they have."""
    found: dict[frozenset[tuple[object, ...]], list[_Part]] = {}
    for part in parts:
        found.setdefault(shape(part[1].control, part[1].data), []).append(part)
    return list(found.values())


def _without_empty(
    usable: Sequence[StoredPacket], batch: DecodedBatch, inputs: Inputs
) -> tuple[Sequence[StoredPacket], DecodedBatch]:
    """Leave out packets that contain no samples."""
    empty: set[int] = set()
    for structure in batch.structures:
        column = structure.columns.get(SAMPLES)
        if column is None:
            continue
        first = column.offsets[:-1]
        has_any = column.offsets[1:] > first
        zero = np.zeros(len(structure), dtype=bool)
        zero[has_any] = column.raw[first[has_any]] == 0
        empty.update(structure.packets[zero | ~has_any].tolist())
    if not empty:
        return usable, batch
    kept = [packet for row, packet in enumerate(usable) if row not in empty]
    return kept, decode([packet.raw for packet in kept], inputs.databases)


def _measured(
    kind: ProductKind, structure: DecodedStructure, usable: Sequence[StoredPacket], inputs: Inputs
) -> list[Measured]:
    chosen = [usable[int(row)] for row in structure.packets]
    factor: int | None = None
    if kind.by_request and chosen[0].request is not None:
        try:
            factor = inputs.requests.scaling_factor(chosen[0].request[1])
        except RequestError:
            factor = None  # only scaled triggers need it, and report its absence
    built = BUILDERS[kind.builder](
        PacketSet(
            structure,
            np.array([packet.raw.file for packet in chosen]),
            np.array([-1 if packet.raw.number is None else packet.raw.number for packet in chosen], dtype=np.int64),
            np.array([parent_of(kind, packet) for packet in chosen]),
            factor,
        )
    )
    return built if isinstance(built, list) else [built]


def _product(
    kind: ProductKind,
    parts: Sequence[_Part],
    usable: Sequence[StoredPacket],
    inputs: Inputs,
) -> Product:
    control = stack([measured.control for _, measured in parts])
    offset = 0
    tables: list[Table] = []
    for _, measured in parts:
        index = measured.data["control_index"].values.astype(np.int64) + offset
        tables.append(measured.data | {"control_index": Column(index)})
        offset += rows(measured.control)
    data = stack(tables)
    if not rows(data):
        raise UnbuildableProduct("its packets have no samples")
    first = parts[0][1]
    product = Product(
        kind=kind,
        level="L0",
        control=control,
        data=data,
        energies=None,
        versions=_versions(parts),
        raw_files=tuple(sorted({packet.raw.file for packet in usable})),
        parents=tuple(sorted({parent_of(kind, packet) for packet in usable})),
        request=usable[0].request if kind.by_request else None,
        cards=tuple(first.cards),
        comments=tuple(first.comments),
        history=(*first.history, "Processed by broker_assets L0"),
    )
    if kind.energies:
        product = product.with_energies(RowEnergies.of([_row_energies(measured, inputs) for _, measured in parts]))
    if kind.by_request:
        return product
    order = np.argsort(product.time, kind="stable")
    if kind.builder in ONE_PER_TIME:
        centi = clock.centiseconds(product.time[order] - product.time.min())
        order = order[np.concatenate([[True], centi[1:] != centi[:-1]])]
    if len(order) == len(product.time) and (np.diff(order) > 0).all():
        return product
    return product.with_rows(order)


def _versions(parts: Sequence[_Part]) -> tuple[VersionRange, ...]:
    """Times of the packets by database version."""
    ranges: dict[str, tuple[int, int]] = {}
    for structure, _ in parts:
        scet = structure.headers.scet
        low, high = ranges.get(structure.database_version, (int(scet[0]), int(scet[0])))
        ranges[structure.database_version] = min(low, int(scet.min())), max(high, int(scet.max()))
    return tuple(VersionRange(version, *limits) for version, limits in sorted(ranges.items()))


def with_origin(product: Product) -> Product:
    """The product with the files that its control rows name as raw files and parents."""
    named = {
        name: tuple(sorted(set(np.ravel(product.control[column].values).tolist())))
        for name, column in (("raw_files", "raw_file"), ("parents", "parent"))
    }
    return replace(product, raw_files=named["raw_files"], parents=named["parents"])


def _nominal_utc(ticks: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """UTC as if the on-board clock had never drifted."""
    return np.datetime64("2000-01-01", "s") + (ticks >> 16).astype("timedelta64[s]")


def _row_energies(measured: Measured, inputs: Inputs) -> tuple[list[Table], NDArray[np.int64]]:
    """Energy tables of rows, and the index of the table of each row."""
    time = measured.data["time"].values
    # Level L0 does not use kernels, so that a better one cannot change it. The clock is off by seconds; tables change
    # over years.
    channels, of_time = inputs.configuration.tables_at(_nominal_utc(time))
    groups = measured.energies or (np.repeat(np.arange(CHANNELS)[:, None], 2, axis=1),)
    of_group = np.zeros(len(time), dtype=np.int64) if measured.energies_of_row is None else measured.energies_of_row
    tables: list[Table] = []
    for planes in groups:
        numbers = np.arange(len(planes)) if measured.channel_numbers is None else measured.channel_numbers
        tables += [
            {
                "channel": Column(numbers.astype(np.uint8)),
                "e_low": Column(known.lower[planes[:, 0]].astype(np.float32), "keV"),
                "e_high": Column(known.upper[planes[:, 1]].astype(np.float32), "keV"),
            }
            for known in channels
        ]
    return tables, of_group * len(channels) + of_time
