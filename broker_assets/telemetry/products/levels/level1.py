"""Level L1: engineering values, UTC days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.files.tables import Column, Table, rows, stack
from broker_assets.telemetry.products.kinds import ProductKind
from broker_assets.telemetry.products.levels.level0 import with_origin
from broker_assets.telemetry.products.product import (
    Product,
    RowEnergies,
    VersionRange,
    complete,
    level0_path,
    of_one_day,
    shape,
)

FIXED_ON_BOARD: Final = (2, 26, 36)
"""Database version from which the lengths of science bins are those of their counts."""
SHORTER_BINS: Final = np.datetime64("2021-09-06T13:00:00", "us")
"""From this time on, the shortest bin is half a second; before, a second."""
SHIFTED = "Time and count arrays were shifted to fix offset"
NOT_SHIFTED = "Time and count arrays offset not fixed as possibly summed on board"


def level1_of_day(kind: ProductKind, parts: Sequence[Product], kernels: Kernels, day: np.datetime64) -> list[Product]:
    """The products of a UTC day from the level L0 products of the on-board days that touch it; usually one.

    Rows whose number of energies or columns differs from that of most rows become separate products, see `of_one_day`.

    Parameters
    ----------
    kind : ProductKind
        With its version at level L1.
    parts : list of Product
        Level L0, in order of time.
    kernels : Kernels
    day : datetime64[D]
    """
    alike: dict[frozenset[tuple[object, ...]], list[Product]] = {}
    for part in parts:
        published = part.published()
        rows_of_day = np.flatnonzero(kernels.clock.utc_day(published.time) == day)
        if len(rows_of_day):
            found = _from_level0(published).with_rows(rows_of_day)
            alike.setdefault(shape(found.control, found.data), []).append(found)
    return of_one_day([_finished(kind, same) for same in alike.values()])


def _finished(kind: ProductKind, parts: Sequence[Product]) -> Product:
    """One product from parts of the same shape."""
    joined = parts[0] if len(parts) == 1 else _joined(parts)
    return replace(
        joined,
        kind=kind,
        raw_files=with_origin(joined).raw_files,
        parents=with_origin(joined).parents,
        history=(*joined.history, "Processed by broker_assets L1"),
    )


def level1_of_request(kind: ProductKind, product: Product, kernels: Kernels) -> Product:
    """The product of a request; `kind` has its version at level L1."""
    found = _from_level0(product.published())
    comments, history = list(found.comments), list(found.history)
    data = found.data
    if found.kind.shift_repair and len(found.versions) == 1:
        version = tuple(int(part) for part in found.versions[0].version.split(".") if part.isdigit())
        if version < FIXED_ON_BOARD and len(found.time) > 1:
            start = kernels.clock.utc(np.array([found.start]))[0]
            expected = clock.from_seconds(1.0 if start < SHORTER_BINS else 0.5)
            if int(found.timedel.min()) == int(expected):
                data = _shifted(data)
                history.append(SHIFTED)
            else:
                comments.append(NOT_SHIFTED)
    return replace(
        found,
        kind=kind,
        data=data,
        comments=tuple(comments),
        history=(*history, "Processed by broker_assets L1"),
    )


def _shifted(data: Table) -> Table:
    """Lengths shifted by one bin; the first and last bin, which then have none, are dropped."""
    timedel = data["timedel"].values.copy()
    timedel[1:-1] = timedel[:-2].copy()
    moved = data | {"timedel": Column(timedel)}
    return {name: column.take(slice(1, -1)) for name, column in moved.items()}


def _from_level0(product: Product) -> Product:
    """Calibrated values, and the level L0 file as parent."""
    parent = complete(level0_path(product).name)
    control = {name: column.calibrated() for name, column in product.control.items()}
    control["parent"] = Column(np.full(len(control["parent"].values), parent))
    data = {name: column.calibrated() for name, column in product.data.items()}
    return replace(product, level="L1", control=control, data=data, parents=(parent,))


def _joined(parts: Sequence[Product]) -> Product:
    """One product of several that follow one another."""
    control = stack([part.control for part in parts])
    offset = 0
    tables = []
    for part in parts:
        tables.append(part.data | {"control_index": Column(part.data["control_index"].values + offset)})
        offset += rows(part.control)
    ranges: dict[str, VersionRange] = {}
    for part in parts:
        for item in part.versions:
            known = ranges.get(item.version, item)
            ranges[item.version] = VersionRange(item.version, min(known.first, item.first), max(known.last, item.last))
    joined = replace(
        parts[0],
        control=control,
        data=stack(tables),
        versions=tuple(ranges.values()),
        cards=tuple({card[0]: card for part in parts for card in part.cards}.values()),
        comments=tuple(dict.fromkeys(text for part in parts for text in part.comments)),
        history=tuple(dict.fromkeys(text for part in parts for text in part.history)),
    )
    energies = [part.own_energies() for part in parts if part.energies is not None]
    if energies:
        joined = joined.with_energies(RowEnergies.of(energies))
    return joined.with_rows(np.argsort(joined.time, kind="stable"))
