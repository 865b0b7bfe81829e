"""Spectra by the interface: stored, read, versions, refusals."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

pytestmark = pytest.mark.database
FILE = b"# wavelength[nm] flux[Jy]\n400 1\n401 nan\n"


def test_from_storing_to_removing(v1_as: Callable[..., httpx.Client]) -> None:
    ann, bob = v1_as("spectra.ann"), v1_as("spectra.bob")
    target = ann.post("/targets", json={"name": "spectral", "ra": 10, "dec": -5}).json()["targetid"]
    made = ann.post("/spectra", params={"target": target, "name": "a.txt", "z": 0.1}, content=FILE)
    assert made.status_code == 201, made.text
    path = f"/spectra/{made.json()['spectrumid']}"
    assert ann.put(path, params={"name": "b.txt", "remark": "better"}, content=FILE + b"402 2\n").json()["version"] == 2
    newest = ann.get(path).json()
    assert (newest["wavelength"], newest["flux"], newest["flux_unit"]) == ([4000, 4010, 4020], [1, None, 2], "Jy")
    assert [one["version"] for one in newest["history"]] == [2, 1]
    assert ann.get(path, params={"version": 1}).json()["flux"] == [1, None]
    file = ann.get(f"{path}/file", params={"version": 1})
    assert (file.content, file.headers["content-disposition"]) == (FILE, 'attachment; filename="a.txt"')
    assert ann.get(path, params={"version": 9}).status_code == 404
    for other in (bob, v1_as()):
        assert other.get(path).status_code == other.get(f"{path}/file").status_code == 404
    assert bob.post("/spectra", params={"target": target}, content=FILE).status_code == 404
    refused = ann.post("/spectra", params={"target": target}, content=b"4000 1\nhello\n")
    assert (refused.status_code, "line 2 is neither" in refused.json()["detail"]) == (400, True)
    assert len(ann.get("/spectra", params={"target": target}).json()["spectra"]) == 1
    assert bob.delete(path).status_code == 404
    assert ann.delete(path).status_code == 204
    assert v1_as().get("/spectra-wanted/night", params={"observatory": "Paranal"}).status_code == 401
