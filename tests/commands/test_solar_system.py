"""`broker-assets solar-system`, as a user calls it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stored_points import alert, store
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.database.tables import mpc_orbits, sssources
from broker_assets.packets.designations import designation
from broker_assets.settings import load_settings

pytestmark = pytest.mark.database


@pytest.fixture
def call(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    identifier = designation("2004 JQ12").identifier
    store(database_url, mpc_orbits, designation="2004 JQ12", permid="217301", ssobjectid=identifier, a=2.7, e=0.29)
    for number, days in ((2, 0.4), (1, 0.3)):
        alert(database_url, 0, number, days, ra=10.0 + number, decl=-5.0, psfflux=1e5)
        store(database_url, sssources, ssobjectid=identifier, diasourceid=number, ephoffset=3.0 * number)
    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    load_settings.cache_clear()
    return lambda *arguments: CliRunner().invoke(app, ["solar-system", *arguments], env={"COLUMNS": "200"})


def test_an_object_and_its_track(call: Any) -> None:
    result = call("K04J12Q", "--within", "10")
    assert result.exit_code == 0, result.output
    assert "2004 JQ12, 217301" in result.output
    assert "a 2.7, e 0.29" in result.output
    lines = [line for line in result.output.splitlines() if "18.90" in line]
    assert ["11.000000" in line for line in lines] == [True, False], "in order of time"
    document = json.loads(call("217301", "--json").output)
    assert [point["diasourceid"] for point in document["track"]] == [1]
    assert document["orbits"][0]["permid"] == "217301"


def test_an_unknown_object_is_one_line(call: Any) -> None:
    result = call("2004 JQ13")
    assert result.exit_code == 1
    assert "no solar-system object 2004 JQ13 is stored" in result.output
