"""Coverage as a MOC that others read, with a version."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
from mocpy import MOC

pytestmark = pytest.mark.database


def test_coverage(v1: httpx.Client, v1_star: dict[str, Any], tmp_path: Any) -> None:
    found = v1.get("/coverage", params={"order": 5}).json()
    assert (found["order"], found["squareDegrees"] > 0) == (5, True)
    answer = v1.get("/coverage/moc.fits", params={"order": 5})
    assert answer.headers["etag"].removeprefix("W/") == f'"{found["version"]}"'
    (tmp_path / "moc.fits").write_bytes(io.BytesIO(answer.content).read())
    moc = MOC.load(tmp_path / "moc.fits", format="fits")
    assert moc == MOC.from_json(found["moc"])
    assert moc.contains_lonlat(*(_degrees(v1_star[name]) for name in ("ra", "dec"))).all()
    again = v1.get("/coverage/moc.fits", params={"order": 5}, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert v1.get("/coverage", params={"order": 8}).status_code == 422


def _degrees(value: float) -> Any:
    import astropy.units as u

    return [value] * u.deg
