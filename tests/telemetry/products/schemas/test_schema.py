"""Formats of products: every file that is made conforms to its schema, and no format changes under its version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from product_specimens import known, light_curve, specimens

from broker_assets.telemetry.archive.product_archive import Archive
from broker_assets.telemetry.products.files.reading import read
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.schemas.changes import differences, format_changes, merged
from broker_assets.telemetry.products.schemas.schema import ProductSchema, described, schema_of
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive

__all__ = ["known", "specimens"]

UPDATE = "broker-assets telemetry schema --update broker_assets/telemetry/products/schemas"


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
