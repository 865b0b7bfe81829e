"""Formats of products: every file that is made conforms to its schema, and no format changes under its version."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.telemetry.archive.product_archive import Archive
from broker_assets.telemetry.products.builders.measured import Measured, PacketSet
from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.files.fits import Extension
from broker_assets.telemetry.products.files.reading import ProductTables, read
from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels import level0
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.schemas.changes import FormatChanged, differences, format_changes, merged, update
from broker_assets.telemetry.products.schemas.schema import ProductSchema, UnknownSchema, described, schema_of, schemas
from broker_assets.telemetry.products.schemas.specimens import write_specimens
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive

UPDATE = "broker-assets telemetry schema --update broker_assets/telemetry/products/schemas"


@pytest.fixture(scope="module")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A file of every kind and level."""
    return write_specimens(tmp_path_factory.mktemp("specimens"))


@pytest.fixture(scope="module")
def known() -> list[ProductSchema]:
    """Documents of this package."""
    return schemas()


def light_curve(specimens: list[Path]) -> ProductTables:
    """The light curve of level L1."""
    (path,) = (path for path in specimens if "L1_stix-ql-lightcurve" in path.name)
    return read(path)


def test_no_format_changed_under_its_version(specimens: list[Path], known: list[ProductSchema]) -> None:
    """What the code makes now has the format of its document; new versions have a document; words are up to date."""
    derived = merged(described(read(path)) for path in specimens)
    assert format_changes(known, derived) == []
    texts = {schema.file_name: schema.text() for schema in known}
    missing = [schema.file_name for schema in derived if texts.get(schema.file_name) != schema.text()]
    assert missing == [], f"documents are missing or out of date: run {UPDATE}"


def test_all_kinds_are_described(known: list[ProductSchema]) -> None:
    """Each column has a meaning and named axes; each kind with own tables has documents of both levels."""
    stems = {kind.file_stem for kind in KINDS.values()}
    for level in ("L0", "L1"):
        assert stems <= {schema.kind for schema in known if schema.level == level}
    for schema in known:
        for extension in schema.extensions:
            assert extension.row
            for column in extension.columns:
                where = f"{schema.file_name} {extension.name}.{column.name}"
                assert column.meaning, where
                assert column.type != "other", where
                assert not any(axis.name.startswith("axis") for axis in column.axes), where


def test_specimens_conform(specimens: list[Path], known: list[ProductSchema]) -> None:
    """Every file, checked with its values."""
    found = {}
    for path in specimens:
        product = read(path)
        found[path.name] = differences(schema_of(product, known), product)
    assert {name: texts for name, texts in found.items() if texts} == {}


@pytest.mark.shared
@pytest.mark.slow
def test_products_of_real_telemetry_conform(
    shared_folder: Path, flight_inputs: Inputs, known: list[ProductSchema], tmp_path: Path
) -> None:
    """All golden runs, made by us, with the flight database."""
    found = {}
    for path in sorted((shared_folder / "data/stix/tm_xml_built").glob("*.xml")):
        with PacketStore(tmp_path / path.stem / "packets") as store:
            received = receive(path, store, flight_inputs.databases)
            archive = Archive(tmp_path / path.stem / "archive", store, flight_inputs)
            archive.rebuild(received.touched, ("LB", "L0", "L1"))
        for file in sorted(archive.folder.rglob("*.fits")):
            product = read(file)
            found[file.name] = differences(schema_of(product, known), product)
    assert len(found) > 50
    assert {name: texts for name, texts in found.items() if texts} == {}


def test_changed_unit_needs_a_new_version(
    monkeypatch: pytest.MonkeyPatch, known: list[ProductSchema], tmp_path: Path
) -> None:
    """A builder that writes another unit, name and width is told to raise the version; nothing is written."""
    real = level0.BUILDERS["lightcurve"]

    def changed(packets: PacketSet) -> Measured:
        measured = real(packets)
        assert isinstance(measured, Measured)
        data = dict(measured.data)
        data["counts"] = replace(data["counts"], unit="count s-1")
        data["regime"] = data.pop("rcr")
        data["triggers"] = Column(data["triggers"].values.astype(np.int32), parameter="NIX00274")
        return replace(measured, data=data)

    monkeypatch.setitem(level0.BUILDERS, "lightcurve", changed)
    derived = merged(described(read(path)) for path in write_specimens(tmp_path / "specimens"))
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
    product = light_curve(specimens)
    cards = [card for card in product.header.cards if card[0] not in ("SIMPLE", "BITPIX", "NAXIS", "EXTEND")]
    tables = [
        Extension(name, change(table) if name == "DATA" else table)
        for name, table in product.tables.items()
    ]  # fmt: skip
    path = tmp_path / product.name
    # The types that the writer chooses are those of the arrays; numpy reads what the file has.
    fits.write(path, [card for card in cards if card[0] not in ("CHECKSUM", "DATASUM")], tables)
    found = read(path)
    assert differences(schema_of(found, known), found) == expected


def test_cards_are_checked(specimens: list[Path], known: list[ProductSchema]) -> None:
    """Missing, additional, and of another type."""
    product = light_curve(specimens)
    cards = [card for card in product.header.cards if card[0] != "DATE-BEG"]
    cards = [("STYPE", "21", "") if card[0] == "STYPE" else card for card in cards]
    header = type(product.header)([*cards, ("SURPRISE", 1, "")])
    found = differences(schema_of(product, known), replace(product, header=header))
    assert found == [
        "keyword STYPE is a text, not a number",
        "keyword DATE-BEG is missing",
        "keyword SURPRISE is not in the schema",
    ]


def test_command(specimens: list[Path], tmp_path: Path) -> None:
    """Prints documents, checks files and folders, and ends with 1 where something differs."""
    run: Any = CliRunner().invoke
    printed = run(app, ["telemetry", "schema", "ql-lightcurve", "--level", "L1"])
    assert printed.exit_code == 0
    document = json.loads(printed.stdout)
    assert (document["kind"], document["level"], document["form"]) == ("ql-lightcurve", "L1", 1)
    assert [extension["name"] for extension in document["extensions"]] == [
        "CONTROL",
        "DATA",
        "IDB_VERSIONS",
        "ENERGIES",
    ]
    listed = run(app, ["telemetry", "schema"])
    assert "sci-xray-spec" in listed.stdout
    assert run(app, ["telemetry", "schema", "no-such-kind"]).exit_code == 2
    good = next(path for path in specimens if "L0_stix-ql-spectra" in path.name)
    assert run(app, ["telemetry", "schema", "--check", str(good)]).exit_code == 0
    bad = tmp_path / good.name
    bad.write_bytes(good.read_bytes().replace(b"'detector_index'", b"'detector_indey'"))
    failed = run(app, ["telemetry", "schema", "--check", str(good), "--check", str(tmp_path)])
    assert failed.exit_code == 1
    (tmp_path / "broken.fits").write_bytes(b"")
    again = run(app, ["telemetry", "schema", "--check", str(tmp_path)])
    assert again.exit_code == 1
    assert "broken.fits" in again.stdout
    bad.unlink()
    (tmp_path / "broken.fits").unlink()
    assert run(app, ["telemetry", "schema", "--check", str(tmp_path)]).exit_code == 1
