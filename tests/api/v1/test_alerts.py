"""Sources, packets and cutouts: as they were received, and never sent twice."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import httpx
import pytest
from astropy.io import fits

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def alert(site: Any) -> Any:
    """The newest packet."""
    return site.record(site.alerts[-1])


def test_packets(v1: httpx.Client, alert: Any) -> None:
    number = alert["diaSource"]["diaSourceId"]
    assert int(v1.get(f"/sources/{number}").json()["diaSourceId"]) == number
    avro = v1.get(f"/sources/{number}/packet.avro")
    record: Any = next(iter(fastavro.reader(io.BytesIO(avro.content))))
    assert record["diaSource"]["diaSourceId"] == number
    document = v1.get(f"/sources/{number}/packet")
    assert int(document.json()["diaSource"]["diaSourceId"]) == number
    assert "immutable" in document.headers["cache-control"]
    for answer in (avro, document):
        again = v1.get(answer.url.path.removeprefix("/api/v1"), headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


def test_cutouts(v1: httpx.Client, alert: Any) -> None:
    number = alert["diaSource"]["diaSourceId"]
    content = v1.get(f"/sources/{number}/cutouts/science.fits")
    assert content.headers["content-type"] == "image/fits"
    with fits.open(io.BytesIO(content.content)) as units:
        assert units[0].data.ndim == 2
    picture = v1.get(f"/sources/{number}/cutouts/difference.png", params={"scale": 2})
    assert picture.content[:8] == b"\x89PNG\r\n\x1a\n"
    missing = v1.get(f"/sources/{number}/cutouts/variance.png")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["", "/packet", "/packet.avro", "/cutouts/science.fits"])
def test_an_unknown_source(v1: httpx.Client, path: str) -> None:
    assert v1.get(f"/sources/12{path}").status_code == 404
    assert v1.get(f"/sources/99999999999999999999{path}").status_code == 422
