"""`broker-assets linked`, as a user calls it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stored_points import FIRST, alert, store
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.database.tables import object_link, objects
from broker_assets.packets.identifiers import ztf_object_id
from broker_assets.settings import load_settings

pytestmark = pytest.mark.database
ZTF = int(ztf_object_id(["ZTF18abcdefg"])[0])


@pytest.fixture
def call(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for identifier, survey in ((3137, 1), (ZTF, 2)):
        store(database_url, objects, diaobjectid=identifier, survey=survey)
        for number in range(3):
            alert(database_url, identifier, 10 * survey + number, 0.3 + 0.01 * number, survey=survey, psfflux=number)
    for one, other, survey in ((3137, ZTF, 1), (ZTF, 3137, 2)):
        link = {"diaobjectid": one, "linkedid": other, "survey": survey, "linkedsurvey": 3 - survey}
        store(database_url, object_link, arcsec=0.4, night=FIRST, **link)
    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    load_settings.cache_clear()
    return lambda *arguments: CliRunner().invoke(app, ["linked", *arguments], env={"COLUMNS": "200"})


def test_a_source_in_two_surveys(call: Any) -> None:
    result = call("ZTF18abcdefg", "--features")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[:2] == [f"{ZTF} ztf", "3137 rubin"]
    assert "LSST ugrizy" in result.output
    assert "reducedChi2" in result.output
    document = json.loads(call("3137", "--json").output)
    assert [point["diasourceid"] for point in document["surveys"]["rubin"]["sources"]] == [10, 11, 12]
    assert document["surveys"]["ztf"]["objects"] == [ZTF]
    assert "features" not in document


def test_what_is_not_stored_is_one_line(call: Any) -> None:
    assert "object 5 is not stored" in call("5").output
    assert call("ZTF1").exit_code == 2
