"""Joint light curves over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from stored_points import FIRST, alert, store

from broker_assets.database.tables import object_link, objects
from broker_assets.settings import DatabaseSettings, Settings

pytestmark = pytest.mark.database


def test_a_source_in_two_surveys(
    database_url: str, serve: Callable[[Settings], AbstractContextManager[str]], tmp_path: Path
) -> None:
    for identifier, survey in ((7, 1), (8, 2), (9, 1)):
        store(database_url, objects, diaobjectid=identifier, survey=survey)
        alert(database_url, identifier, 10 * identifier, 0.3, survey=survey)
    for one, other, survey in ((7, 8, 1), (8, 7, 2)):
        link = {"diaobjectid": one, "linkedid": other, "survey": survey, "linkedsurvey": 3 - survey}
        store(database_url, object_link, arcsec=0.4, night=FIRST, **link)
    settings = Settings(home=tmp_path, database=DatabaseSettings(url=database_url), streams=[])  # type: ignore[arg-type]
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api/objects", timeout=30) as client:
        found = client.get("8/joint-lightcurve", params={"features": True}).json()
        assert [one["diaObjectId"] for one in found["objects"]] == [8, 7]
        assert found["surveys"]["ztf"]["diaSources"][0]["diaSourceId"] == 80
        assert found["surveys"]["rubin"]["diaForcedSources"] == []
        assert found["surveys"]["rubin"]["system"].startswith("AB; LSST")
        assert found["features"]["all"]["nPoints"] == 2
        alone = client.get("9/joint-lightcurve").json()
        assert (list(alone["surveys"]), "features" in alone) == (["rubin"], False)
        assert client.get("5/joint-lightcurve").status_code == 404
