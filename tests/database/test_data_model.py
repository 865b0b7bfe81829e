"""The committed document is that of the tables."""

from __future__ import annotations

from pathlib import Path

from broker_assets.database.data_model import render
from broker_assets.database.tables import VIEWS, metadata

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "data-model.md"


def test_the_committed_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(), (
        "run: python -m broker_assets.database.data_model docs/data-model.md"
    )


def test_every_table_and_column_is_in_the_document() -> None:
    document = render()
    for table in metadata.tables.values():
        assert f"### `{table.name}`" in document
        for column in table.columns:
            assert f"| `{column.info['documented']}` |" in document
    for view in VIEWS:
        assert f"### `{view}`" in document
