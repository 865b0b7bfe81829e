"""Pages that compare brokers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import requests
from judged_classifiers import World

from broker_assets.database import engine
from broker_assets.tom.metrics.tallies import tally
from broker_assets.tom.objects.class_rollup import update_classes

pytestmark = pytest.mark.database


def test_scorecards_and_contradictions(own_site: str, database_url: str, log_in: Any) -> None:
    anna = log_in(own_site, "anna")
    assert "No scorecard yet" in anna.get("elasticc2/scorecards/").text
    assert "None" in anna.get("elasticc2/contradictions/").text
    with engine.connect(database_url, autocommit=True) as connection:
        world = World(connection, np.random.default_rng(3))
        world.build()
        world.report(80)
        tally(connection)
        with connection.transaction():
            update_classes(connection, np.arange(1, 7))
        connection.execute(
            "INSERT INTO contradictions (diaobjectid, source, othersource, said, othersaid, classid, otherclassid,"
            " probability) VALUES (77, 'broker <b>', 'tns', 'Ia', 'AGN', 2222, 2332, 0.75)"
        )
    for address in ("scorecards", "scorecards/", "confmatrixlatest", "brokercompleteness", "brokertimedelays"):
        listed = anna.get(f"elasticc2/{address}")
        assert listed.status_code == 200
        assert listed.text.count("Broker 1 · classifier") == 2
    assert "as of 20" in listed.text
    one = anna.get("elasticc2/scorecards/1/")
    assert one.status_code == 200
    assert "Area of the ROC curve" in one.text
    assert len(re.findall("<polyline", one.text)) >= 5
    for points in re.findall(r'points="([^"]*)"', one.text):
        assert all(0.0 <= float(value) <= 240.0 for value in re.split("[ ,]", points))
    assert "Ia as " in one.text
    assert anna.get("elasticc2/scorecards/99/").status_code == 404
    shown = anna.get("elasticc2/contradictions/").text
    assert 'href="/objects/77/"' in shown
    assert "broker &lt;b&gt;" in shown
    assert "Ia (0.75)" in shown


def test_only_accounts_see_them(own_site: str) -> None:
    for address in ("scorecards/", "scorecards/1/", "contradictions/"):
        answer = requests.get(f"{own_site}/elasticc2/{address}", allow_redirects=False, timeout=30)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/accounts/login/")
