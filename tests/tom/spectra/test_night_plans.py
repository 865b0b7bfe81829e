"""Plans of nights are kept, with a version for each plan that is another one."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import pytest

from broker_assets.tom.spectra.night_plans import keep_plans, plan_of
from broker_assets.tom.spectra.visibility import OBSERVATORIES
from broker_assets.tom.spectra.wanted import Wanted

EVENING = datetime.date(2026, 6, 20)


def test_a_plan_says_what_is_observed_when_and_what_is_left_and_why() -> None:
    wanted = [Wanted(7, 270.0, -30.0, "ann", 3, {}), Wanted(2**60, 270.0, 80.0, "bob", 5, {})]
    plan = plan_of(OBSERVATORIES[0], EVENING, wanted, 30.0)
    [slot] = plan.document["slots"]
    assert (slot["object"], slot["airmass"] < 1.01, slot["priority"], slot["requester"]) == ("7", True, 3, "ann")
    assert plan.document["begin"] < slot["begin"] < slot["end"] < plan.document["end"]
    assert plan.document["left"] == {str(2**60): "it is not up"}
    assert plan_of(OBSERVATORIES[0], EVENING, wanted, 30.0).sha256 == plan.sha256


@pytest.mark.database
def test_another_plan_is_another_version(desk: Any) -> None:
    def keep() -> tuple[str, int]:
        with desk.connection.transaction():
            kept = keep_plans(desk.connection, EVENING, run_id="r", observatories=OBSERVATORIES[:2])
        return kept.data_version, kept.new

    first = keep()
    assert (first[1], keep()) == (2, (first[0], 0))
    desk.connection.execute("INSERT INTO elasticc2_diaforcedsource VALUES (1, 60300.5, 'i', 1000, 100, 1)")
    desk.connection.execute("INSERT INTO elasticc2_wantedspectra VALUES ('1 ; me', now(), 'me', 5, 1, 1)")
    other = keep()
    assert other[0] != first[0]
    assert other[1] == 2
    assert desk.rows(
        "SELECT observatory, max(version), min(run_id) FROM spectrum_night_plans GROUP BY 1 ORDER BY 1"
    ) == [(one.name, 2, "r") for one in OBSERVATORIES[:2]]
    [(plan,)] = desk.rows("SELECT plan FROM spectrum_night_plans WHERE observatory = 'Cerro Pachón' AND version = 2")
    assert [one["object"] for one in plan["slots"]] + list(plan["left"]) == ["1"]


@pytest.mark.database
def test_the_query_of_the_documentation_finds_the_slots(desk: Any) -> None:
    desk.connection.execute("INSERT INTO elasticc2_diaforcedsource VALUES (1, 60300.5, 'i', 1000, 100, 1)")
    desk.connection.execute("INSERT INTO elasticc2_wantedspectra VALUES ('1 ; me', now(), 'me', 5, 1, 1)")
    paranal = [one for one in OBSERVATORIES if one.name == "Paranal"]
    with desk.connection.transaction():
        kept = keep_plans(desk.connection, datetime.date(2026, 12, 1), observatories=paranal)
    document = (Path(__file__).parents[3] / "docs" / "spectra.md").read_text()
    (query,) = re.findall(r"^```sql\n(.*?)^```", document, re.DOTALL | re.MULTILINE)
    assert kept.slots == {"Paranal": 1}
    [(begin, number, airmass)] = desk.rows(query)
    assert begin.startswith("2026-12-02T0")
    assert (number, 1 <= float(airmass) <= 2) == ("1", True)
