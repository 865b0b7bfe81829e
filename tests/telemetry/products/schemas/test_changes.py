"""What differs between a product and its schema, and when that needs a new version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from product_specimens import known, light_curve, specimens

from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.files.fits import Extension
from broker_assets.telemetry.products.files.reading import ProductTables, read
from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.schemas.changes import FormatChanged, differences, format_changes, merged, update
from broker_assets.telemetry.products.schemas.schema import ProductSchema, UnknownSchema, described, schema_of, schemas

__all__ = ["known", "specimens"]


def changed(product: ProductTables, change: Callable[[dict[str, Column]], dict[str, Column]], folder: Path) -> Path:
    """A file like a product, with another table `DATA`; the types in it are those of the arrays."""
    cards = [card for card in product.header.cards if card[0] not in WRITTEN]
    tables = [Extension(name, change(table) if name == "DATA" else table) for name, table in product.tables.items()]
    folder.mkdir(exist_ok=True)
    fits.write(folder / product.name, cards, tables)
    return folder / product.name


WRITTEN = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "CHECKSUM", "DATASUM")
"""Cards that the writer adds."""


def test_changed_unit_needs_a_new_version(known: list[ProductSchema], specimens: list[Path], tmp_path: Path) -> None:
    """Light curves with another unit, name and width need a higher version; nothing is written."""

    def change(table: dict[str, Column]) -> dict[str, Column]:
        data = dict(table)
        data["counts"] = replace(table["counts"], unit="count s-1")
        data["regime"] = data.pop("rcr")
        data["triggers"] = replace(data["triggers"], values=data["triggers"].values.astype(np.int32))
        return data

    files = [
        changed(read(path), change, tmp_path / "changed") if "ql-lightcurve" in path.name else path
        for path in specimens
    ]
    derived = merged(described(read(path)) for path in files)
    found = format_changes(known, derived)
    assert {text.split(" (")[0] for text in found} == {
        f"format changed: raise the version of ql-lightcurve at level {level}" for level in ("L0", "L1", "LL01")
    }
    for part in ("DATA.rcr is gone", "DATA.regime is new", "unit 'count' became 'count s-1'", "format 'K' became 'J'"):
        assert part in found[0]
    folder = tmp_path / "schemas"
    update(folder, known)
    before = {path.name: path.read_text() for path in folder.iterdir()}
    with pytest.raises(FormatChanged, match="raise the version of ql-lightcurve"):
        update(folder, derived)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


def test_new_version_keeps_the_old_document(known: list[ProductSchema], specimens: list[Path], tmp_path: Path) -> None:
    """Files of either version have their own schema; a version without one has that before it."""
    product = light_curve(specimens)
    schema = schema_of(product, known)
    data = schema.extensions[1]
    wider = data.model_copy(update={"columns": (*data.columns, data.columns[-1].model_copy(update={"name": "more"}))})
    newer = schema.model_copy(
        update={"version": 4, "extensions": tuple(wider if item is data else item for item in schema.extensions)}
    )
    folder = tmp_path / "schemas"
    update(folder, [schema])
    assert [path.name for path in update(folder, [newer])] == ["L1_ql-lightcurve_V04.json"]
    both = schemas(folder)
    for version, wanted in ((2, schema), (3, schema), (4, newer), (5, newer)):
        named = replace(product, name=product.name.replace("_V02", f"_V{version:02d}"))
        assert schema_of(named, both) == wanted
    assert differences(newer, product) == ["DATA.more is missing"]
    with pytest.raises(UnknownSchema, match="version 01"):
        schema_of(replace(product, name=product.name.replace("_V02", "_V01")), both)


def _other_width(table: dict[str, Column]) -> dict[str, Column]:
    return table | {"counts": replace(table["counts"], values=table["counts"].values.astype(np.int32))}


def _other_shape(table: dict[str, Column]) -> dict[str, Column]:
    return table | {"counts": replace(table["counts"], values=table["counts"].values[..., None])}


def _other_unit(table: dict[str, Column]) -> dict[str, Column]:
    return table | {"time": replace(table["time"], unit="s")}


def _missing(table: dict[str, Column]) -> dict[str, Column]:
    return {name: column for name, column in table.items() if name != "rcr"}


def _additional(table: dict[str, Column]) -> dict[str, Column]:
    return table | {"more": table["rcr"]}


def _order(table: dict[str, Column]) -> dict[str, Column]:
    return dict(reversed(table.items()))


def _nan(table: dict[str, Column]) -> dict[str, Column]:
    values = table["counts_comp_err"].values.copy()
    values[0, 0] = np.nan
    return table | {"counts_comp_err": replace(table["counts_comp_err"], values=values)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_other_width, ["DATA.counts has the format 'J', not 'K'", "DATA.counts has the type 'int32', not 'int64'"]),
        (_other_shape, ["DATA.counts has the shape 3 × 1, not any (energy)"]),
        (_other_unit, ["DATA.time has the unit 's', not 'cs'"]),
        (_missing, ["DATA.rcr is missing"]),
        (_additional, ["DATA.more is not in the schema"]),
        (_order, ["DATA has its columns in another order"]),
        (_nan, ["DATA.counts_comp_err has 1 values NaN; every row must have a value"]),
    ],
)
def test_differences_can_be_read(
    change: Callable[[dict[str, Column]], dict[str, Column]],
    expected: list[str],
    specimens: list[Path],
    known: list[ProductSchema],
    tmp_path: Path,
) -> None:
    """One sentence per difference, in the file's own words."""
    found = read(changed(light_curve(specimens), change, tmp_path / "changed"))
    assert differences(schema_of(found, known), found) == expected
