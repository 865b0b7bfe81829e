"""Plans of objects."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.tom.spectra.claims import claims_of
from broker_assets.tom.spectra.plans import plan_spectrum

pytestmark = pytest.mark.database


def test_plans_of_each_object_the_newest_first(desk: Any) -> None:
    for facility, number in (("A", 1), ("B", 1), ("A", 2), ("A", 3)):
        plan_spectrum(desk.connection, desk.users["root"], number, facility, comment=f"of {facility}")
    found = claims_of(desk.connection, [1, 2, 5])
    assert {number: [claim.facility for claim in claims] for number, claims in found.items()} == {
        1: ["B", "A"],
        2: ["A"],
    }
    assert found[1][0].comment == "of B"
    assert claims_of(desk.connection, []) == {}
    desk.connection.execute("UPDATE elasticc2_plannedspectra SET plantime = 'infinity'")
    assert found == claims_of(desk.connection, [1, 2, 5]), "a dump may have such times"
