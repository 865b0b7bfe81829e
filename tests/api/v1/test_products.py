"""Products of telemetry: found by what they are, downloaded whole and in ranges; publications."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from broker_assets.database import engine

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def _products(site: Any, filled_database_url: str) -> Iterator[None]:
    folder: Path = site.settings.telemetry_folder / "products"
    (folder / "L1").mkdir(parents=True, exist_ok=True)
    (folder / "L1" / "v1_b.fits").write_bytes(bytes(range(256)) * 20)
    rows = [
        (1001, "L1/v1_a.fits", "2023-11-01", 1, "now()", 1002),
        (1002, "L1/v1_a.fits", "2023-11-01", 2, "NULL", None),
        (1003, "L1/v1_b.fits", "2023-11-02", 2, "NULL", None),
        (1004, "../../secret.fits", "2023-11-03", 2, "NULL", None),
    ]
    (site.settings.telemetry_folder.parent / "secret.fits").write_bytes(b"secret")
    with engine.connect(filled_database_url, autocommit=True) as connection:
        for number, path, day, version, superseded, by in rows:
            connection.execute(
                "INSERT INTO product_file (productfileid, path, name, level, family, kind, version, day, rows, starts,"
                " ends, digest, size, incomplete, code_version, superseded_at, superseded_by) OVERRIDING SYSTEM VALUE"
                f" VALUES (%s, %s, %s, 'L1', 'quicklook', 'ql-lightcurve', %s, %s, 5, 'a', 'b', %s, 5120, false, '1',"
                f" {superseded}, %s)",
                (number, path, Path(path).name, version, day, f"{number:064x}", by),
            )
        connection.execute(
            "INSERT INTO product_file_input (productfileid, kind, name, version)"
            " VALUES (1003, 'parent', 'L0.fits', 'x')"
        )
    yield
    with engine.connect(filled_database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM product_file_input WHERE productfileid = 1003")
        connection.execute("DELETE FROM product_file WHERE productfileid BETWEEN 1001 AND 1004")


@pytest.mark.usefixtures("_products")
def test_search(v1: httpx.Client) -> None:
    def names(**question: Any) -> list[int]:
        found = v1.get("/products", params={"name": "v1_", **question}).json()
        return [one["productFileId"] for one in found["products"]]

    assert names() == [1002, 1003]
    assert names(current=False) == [1001, 1002, 1003]
    assert names(first="2023-11-02", last="2023-11-02", level="L1", kind="ql-lightcurve", version=2) == [1003]
    assert names(level="L2") == []
    first = v1.get("/products", params={"name": "v1_", "limit": 1}).json()
    second = v1.get("/products", params={"name": "v1_", "limit": 1, "cursor": first["next"]}).json()
    assert second["products"][0]["productFileId"] == 1003
    lines = v1.get("/products", params={"name": "v1_", "format": "csv"}).text.splitlines()
    assert len(lines) == 3
    kinds = v1.get("/products/kinds").json()["kinds"]
    assert kinds[0]["first"] == "2023-11-01"


@pytest.mark.usefixtures("_products")
def test_files_and_ranges(v1: httpx.Client) -> None:
    about = v1.get("/products/1003").json()
    assert about["inputs"] == [{"kind": "parent", "name": "L0.fits", "version": "x", "detail": ""}]
    whole = v1.get("/products/1003/file")
    assert (len(whole.content), whole.headers["content-type"]) == (5120, "application/fits")
    part = v1.get("/products/1003/file", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert v1.get("/products/1003/file", headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    gone = v1.get("/products/1001/file")
    assert gone.status_code == 410
    assert "1002" in gone.json()["detail"]
    assert v1.get("/products/1002/file").status_code == 410  # not in the archive
    outside = v1.get("/products/1004/file")
    assert outside.status_code == 410
    assert b"secret" not in outside.content.replace(b"secret.fits", b"")
    assert v1.get("/products/99/file").status_code == 404


def test_publications(v1: httpx.Client) -> None:
    assert v1.get("/publications").json() == {"publications": [], "next": None}
    assert v1.get("/publications", params={"format": "votable"}).content.endswith(b"</VOTABLE>\n")
