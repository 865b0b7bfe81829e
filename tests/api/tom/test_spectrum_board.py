"""The board of spectra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from broker_assets.database import engine

pytestmark = [pytest.mark.database, pytest.mark.shared]


def test_what_is_wanted_claimed_and_seen(
    own_snapshot_site: str, tom_snapshot_url: str, log_in: Callable[[str, str], Any]
) -> None:
    root = log_in(own_snapshot_site, "root")
    assert "No spectrum is wanted." in root.get("spectra/").text
    body = {"requester": "<i>SRS", "objectids": [114982, 15232], "priorities": [5, 3]}
    assert root.post("elasticc2/askforspectrum", json=body).status_code == 200
    plan = {"objectid": 114982, "facility": "Keck", "plantime": "2026-12-01 03:00"}
    assert root.post("elasticc2/planspectrum", json=plan).status_code == 200
    plain = root.get("spectra/").text
    assert plain.index(">114982<") < plain.index(">15232<")
    assert "&lt;i&gt;SRS" in plain
    assert "Keck (2026-12-01 03:00)" in plain
    assert "Least airmass" not in plain
    seen = root.get("spectra/", params={"observatory": "Paranal", "night": "2026-12-01"}).text
    assert "Dark from 2026-12-0" in seen
    assert "% illuminated" in seen
    assert '<option value="Paranal" selected>' in seen
    # Declination +9 and -65 degrees are up at Paranal in December.
    assert "not up" not in seen
    assert "is not a date" in root.get("spectra/", params={"observatory": "Paranal", "night": "soon"}).text
    # What is claimed is not in the plan of the night; the other object is.
    night = seen[seen.index("A night at Paranal") :]
    assert (">15232<" in night, ">114982<" in night) == (True, False)
    params = {"observatory": "Paranal", "date": "2026-12-01", "minutes": 40}
    planned = root.get("api/v1/spectra-wanted/night", params=params).json()
    [slot] = planned["slots"]
    assert (slot["object"], slot["priority"], slot["requester"]) == ("15232", 3, "<i>SRS")
    lines = root.get("api/v1/spectra-wanted/night", params=params | {"format": "csv"}).text.splitlines()
    assert lines[0].startswith("begin_utc,end_utc,object")
    assert ",15232," in lines[1]
    assert root.get("api/v1/spectra-wanted/night", params={"observatory": "Atlantis"}).status_code == 400
    assert 'name="objectid" inputmode="numeric" required value="15232"' in root.get("spectra/?object=15232").text
    chart = root.get("spectra/chart/15232/").text
    assert chart.count('class="finder"') == 2
    assert root.get("spectra/chart/5/").status_code == 404
    # A claim of long ago keeps nobody away, neither here nor there.
    with engine.connect(tom_snapshot_url, autocommit=True) as connection:
        connection.execute("UPDATE elasticc2_plannedspectra SET created_at = now() - interval '8 days'")
    seen = root.get("spectra/", params={"observatory": "Paranal", "night": "2026-12-01"}).text
    assert "Keck (2026-12-01 03:00)" in seen
    planned = root.get("api/v1/spectra-wanted/night", params=params).json()
    slots = {slot["object"] for slot in planned["slots"]}
    assert "114982" in slots
    night = seen[seen.index("A night at Paranal") :]
    assert {number for number in ("114982", "15232") if f">{number}<" in night} == slots


def test_nobody_comes_in_without_an_account(snapshot_site: str) -> None:
    answer = requests.get(f"{snapshot_site}/spectra/", allow_redirects=False, timeout=30)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/accounts/login/")
