"""Search of product files."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from broker_assets.database.engine import connect
from broker_assets.database.paging import page
from broker_assets.telemetry.product_search import (
    KEYS,
    SCHEMA,
    ProductGone,
    Search,
    UnknownProduct,
    file_of,
    inputs_of,
    kinds,
    product,
    search_query,
)


@pytest.mark.database
def test_questions_are_answered(module_database_url: str) -> None:
    day = datetime.date(2026, 1, 2)
    with connect(module_database_url, autocommit=True) as connection:
        for search in (Search(), Search("L1", "quicklook", "ql", 2, day, day, 7, "a%", False)):
            query, values = search_query(search)
            assert page(connection, query, values, keys=KEYS, limit=3).rows == []
        with connection.cursor() as cursor:
            cursor.execute(*search_query(Search()))
            assert set(SCHEMA.names) <= {column.name for column in cursor.description or ()}
        assert kinds(connection) == []
        assert inputs_of(connection, 1) == []
        with pytest.raises(UnknownProduct, match="12"):
            product(connection, 12)


def test_only_files_of_the_archive(tmp_path: Path) -> None:
    found = {"name": "a.fits", "path": "L1/a.fits", "superseded": None, "supersededBy": None, "digest": "d"}
    (tmp_path / "products" / "L1").mkdir(parents=True)
    with pytest.raises(ProductGone, match="not in the archive"):
        file_of(tmp_path / "products", found)
    (tmp_path / "products" / "L1" / "a.fits").write_bytes(b"x")
    assert file_of(tmp_path / "products", found).read_bytes() == b"x"
    (tmp_path / "b.fits").write_bytes(b"secret")
    for path in ("../b.fits", str(tmp_path / "b.fits"), "L1"):
        with pytest.raises(ProductGone):
            file_of(tmp_path / "products", {**found, "path": path})
    with pytest.raises(ProductGone, match="replaced by product file 7"):
        file_of(tmp_path / "products", {**found, "superseded": "2026-01-01", "supersededBy": 7})
