"""Words of the schemas: they describe columns that exist, with axes of known sizes."""

from __future__ import annotations

import pytest

from broker_assets.telemetry.products.schemas import meanings
from broker_assets.telemetry.products.schemas.schema import schemas


@pytest.fixture(scope="module")
def columns() -> set[str]:
    """Every column of every document."""
    return {column.name for schema in schemas() for extension in schema.extensions for column in extension.columns}


@pytest.mark.parametrize("words", ["MEANINGS", "NULLS", "AXES"])
def test_words_are_of_columns_that_exist(columns: set[str], words: str) -> None:
    unused = sorted(set(getattr(meanings, words)) - columns)
    assert not unused, f"no product has {', '.join(unused)}"


def test_sentences_end() -> None:
    for name, text in meanings.MEANINGS.items():
        assert text.strip() == text, name
        assert text.endswith("."), name
        assert text[0].isupper() or text[0].isdigit(), name


def test_axes_of_fixed_size_have_that_size() -> None:
    for schema in schemas():
        for extension in schema.extensions:
            for column in extension.columns:
                for axis in column.axes:
                    assert axis.size == meanings.SIZES.get(axis.name), f"{schema.file_name} {column.name}"


def test_rows_of_every_extension_are_described() -> None:
    named = {extension.name for schema in schemas() for extension in schema.extensions}
    assert set(meanings.ROWS) <= named
