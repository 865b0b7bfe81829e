"""Pages that compare brokers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import requests
from judged_classifiers import World
from page_browser import DESK, PHONE

from broker_assets.api.tom.comparison import cells_of
from broker_assets.database import engine
from broker_assets.tom.metrics.confusion import confusion
from broker_assets.tom.metrics.tallies import tally
from broker_assets.tom.objects.class_rollup import update_classes

pytestmark = pytest.mark.database
PASSWORD = "testing it"


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
    # What needs no truth is for every account, the rest for those who may see the truth.
    plain, one = (log_in(own_site, name).get("elasticc2/scorecards/1/") for name in ("anna", "truth"))
    for shown in (plain, one):
        assert shown.status_code == 200
        for title in ("by the day on which they were sent", "by the detections of the object", "Delay from sending"):
            assert title in shown.text
    for text in ("Shares of the true class", "Shares of the reported class", "ROC", "Ia as ", "Objects right"):
        assert text in one.text
        assert text not in plain.text
    assert "Right, exact" in log_in(own_site, "truth").get("elasticc2/scorecards/").text
    assert "Right, " not in listed.text
    assert "Area of the ROC curve" in one.text
    assert len(re.findall("<polyline", one.text)) >= 5
    for points in re.findall(r'points="([^"]*)"', one.text):
        assert all(0.0 <= float(value) <= 240.0 for value in re.split("[ ,]", points))
    assert anna.get("elasticc2/scorecards/99/").status_code == 404
    shown = anna.get("elasticc2/contradictions/").text
    assert 'href="/objects/77/"' in shown
    assert "broker &lt;b&gt;" in shown
    assert "Ia (0.75)" in shown


@pytest.mark.browser
def test_what_one_source_has_and_another_has_not(
    own_site: str, database_url: str, log_in: Any, page_browser: Any
) -> None:
    anna = log_in(own_site, "anna")
    where = "elasticc2/contradictions/only"
    assert "Sources have not been compared yet" in anna.get(where).text
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO object_opinions (kind, diaobjectid, source, said, probability, sources) SELECT 'tns',"
            " 9000000000000000000 + number, 'tns', 'SN <Ia>', NULL, 1 FROM generate_series(1, 120) AS number"
        )
        connection.execute(
            "INSERT INTO object_opinions VALUES ('broker', 9000000000000000001, 'broker a', 'Ia', 0.75, 2)"
        )
    first = anna.get(where)
    assert "119 objects" in first.text
    assert "SN &lt;Ia&gt;" in first.text
    assert first.text.count('<th scope="row">') == 100
    second = anna.get(f"{where}?has=tns&without=broker&after=9000000000000000101")
    assert second.text.count('<th scope="row">') == 19
    assert "Next 100" not in second.text
    lines = anna.get(f"{where}?has=tns&without=broker&format=csv").text.splitlines()
    assert (len(lines), lines[1]) == (120, "9000000000000000002,tns,SN <Ia>,,1")
    assert "0.75" in anna.get(f"{where}?has=broker&without=context").text
    for query in ("has=gossip", "has=tns&without=tns", "has=%3Cb%3E"):
        wrong = anna.get(f"{where}?{query}")
        assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)
    for query in ("after=x", f"after={10**30}"):
        assert anna.get(f"{where}?{query}").status_code == 200
    assert requests.get(f"{own_site}/{where}", allow_redirects=False, timeout=30).status_code == 302

    # As people see it: wide and narrow, light and dark, with what the keyboard and a reader of screens need.
    page_browser.go(f"{own_site}/accounts/login/")
    page_browser.evaluate(
        "document.querySelector('[name=username]').value = 'anna';"
        f"document.querySelector('[name=password]').value = '{PASSWORD}';"
        "document.querySelector('[name=password]').form.submit()"
    )
    page_browser.soon("document.querySelector('h1') && !document.querySelector('[name=password]')")
    for size, dark in ((DESK, False), (PHONE, True)):
        page_browser.go(f"{own_site}/{where}", size, dark=dark)
        assert page_browser.inaccessible() == []
        assert page_browser.sideways() == 0
    choose = "document.querySelector('#without').value = 'context'"
    page_browser.evaluate(f"{choose}; document.querySelector('main form').submit()")
    page_browser.soon("location.search.includes('without=context') && document.readyState === 'complete'")
    assert page_browser.evaluate("document.querySelector('#without').value") == "context"
    assert page_browser.troubles == []


def test_both_shares_of_a_confusion_are_what_they_are_called() -> None:
    cells = cells_of(confusion([10, 10, 20], [10, 20, 20], [3, 1, 2]), {10: "Ia", 20: "AGN"})
    assert [(one.true, one.reported, one.objects, one.of_true, one.of_reported) for one in cells] == [
        ("Ia", "Ia", 3, 0.75, 1.0), ("Ia", "AGN", 1, 0.25, 0.333), ("AGN", "AGN", 2, 1.0, 0.667),
    ]  # fmt: skip


def test_only_accounts_see_them(own_site: str) -> None:
    for address in ("scorecards/", "scorecards/1/", "contradictions/"):
        answer = requests.get(f"{own_site}/elasticc2/{address}", allow_redirects=False, timeout=30)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/accounts/login/")
