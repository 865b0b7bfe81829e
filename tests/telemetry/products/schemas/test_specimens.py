"""A specimen of every kind of product."""

from __future__ import annotations

from pathlib import Path

from product_specimens import known, specimens

from broker_assets.telemetry.products.files.reading import read
from broker_assets.telemetry.products.schemas.changes import differences
from broker_assets.telemetry.products.schemas.schema import ProductSchema, schema_of

__all__ = ["known", "specimens"]


def test_specimens_conform(specimens: list[Path], known: list[ProductSchema]) -> None:
    """Every file, checked with its values."""
    found = {}
    for path in specimens:
        product = read(path)
        found[path.name] = differences(schema_of(product, known), product)
    assert {name: texts for name, texts in found.items() if texts} == {}
