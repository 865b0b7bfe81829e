"""Solar-system objects by any of their designations, and their tracks."""

from __future__ import annotations

import math
from typing import Any

import psycopg
import pytest
from stored_points import NOON, alert, connect, store

from broker_assets.database.tables import mpc_orbits, ssobjects, sssources
from broker_assets.lightcurves.solar_system import TRACK, Detected, UnknownObjectError, find, newest_night, title, track
from broker_assets.packets.designations import designation

pytestmark = pytest.mark.database

PROVISIONAL, NUMBER = designation("2004 JQ12"), designation("217301")
OTHER = designation("2020 SJ88")


def detection(url: str, ssobjectid: int, number: int, days: float, **geometry: Any) -> None:
    """A detection of Rubin, or of ZTF if it is survey 2."""
    survey = geometry.pop("survey", 1)
    own = {name: geometry.pop(name) for name in ("ra", "decl", "psfflux", "psffluxerr", "band") if name in geometry}
    alert(url, 0, number, days, survey=survey, **own)
    store(url, sssources, ssobjectid=ssobjectid, diasourceid=number, survey=survey, **geometry)


@pytest.fixture
def stored(database_url: str) -> str:
    """A numbered object seen by both surveys, another one, and one of which there is an orbit only."""
    orbit = {"permid": "217301", "iau_name": "Testobject", "a": 2.7, "broughtby": 1}
    store(
        database_url, mpc_orbits, designation="2004 JQ12", packed_primary_provisional_designation="K04J12Q",
        unpacked_primary_provisional_designation="2004 JQ12", ssobjectid=PROVISIONAL.identifier, **orbit,
    )  # fmt: skip
    store(database_url, ssobjects, ssobjectid=PROVISIONAL.identifier, designation="2004 JQ12", nobs=7)
    detection(
        database_url, PROVISIONAL.identifier, 12, 0.4, designation="2004 JQ12", ra=10.2, decl=-5.1, psfflux=1e5,
        psffluxerr=1e3, band="r", heliorange=2.0, toporange=1.5, phaseangle=10.0, ephoffset=0.1,
    )  # fmt: skip
    detection(database_url, PROVISIONAL.identifier, 11, 0.3, ra=10.1, decl=-5.0, psfflux=-1.0, ephoffset=None)
    detection(database_url, NUMBER.identifier, 21, 0.35, survey=2, designation="217301", ephoffset=0.6, ephvmag=19.0)
    detection(database_url, NUMBER.identifier, 22, 0.36, survey=2, designation="217301", ephoffset=12.0)
    detection(database_url, OTHER.identifier, 31, 0.3, designation="2020 SJ88")
    store(database_url, mpc_orbits, designation="K25A01B", packed_primary_provisional_designation="K25A01B")
    store(database_url, ssobjects, ssobjectid=20_000_000_000_000_007, designation="2026 AH")
    return database_url


@pytest.mark.parametrize(
    "text",
    ["2004 JQ12", "2004jq12", "K04J12Q", "217301", "(217301) Testobject", "L7301", "Testobject", "testobject",
     str(PROVISIONAL.identifier)],
)  # fmt: skip
def test_an_object_has_one_answer_whatever_it_is_called(stored: str, text: str) -> None:
    with connect(stored) as connection:
        found = find(connection, text)
    assert found.identifiers == tuple(sorted((PROVISIONAL.identifier, NUMBER.identifier)))
    assert found.designations == ("2004 JQ12", "217301", "K04J12Q", "Testobject")
    assert [row["a"] for row in found.orbits] == [2.7]
    assert [row["nobs"] for row in found.objects] == [7]


def test_what_is_stored_in_part(stored: str) -> None:
    with connect(stored) as connection:
        detected = find(connection, "2020 SJ88")
        assert (detected.orbits, detected.objects, detected.identifiers) == ((), (), (OTHER.identifier,))
        packed = find(connection, "2025 AB1")
        assert (packed.designations, packed.identifiers) == (("K25A01B",), ())
        simulated = find(connection, "2026 AH")
        assert simulated.identifiers == (20_000_000_000_000_007,)
        assert find(connection, "20000000000000007") == simulated
        # an orbit that is stored without its ssObjectId, by the number that other tables of Rubin have
        assert find(connection, str(designation("K25A01B").identifier)) == packed


@pytest.mark.parametrize("text", ["2004 JQ13", "Nothing", "433", "", "9" * 30, "%", "'; --"])
def test_what_is_not_stored(stored: str, text: str) -> None:
    with connect(stored) as connection, pytest.raises(UnknownObjectError, match="is stored"):
        find(connection, text)


def rows(connection: psycopg.Connection[Any], **options: Any) -> list[dict[str, Any]]:
    found = track(connection, [PROVISIONAL.identifier, NUMBER.identifier], **options)
    assert found.schema == TRACK
    listed: list[dict[str, Any]] = found.to_pylist()
    return listed


def test_a_track_is_in_order_with_magnitudes_and_distances(stored: str) -> None:
    with connect(stored) as connection:
        found = rows(connection)
        assert [row["diasourceid"] for row in rows(connection, within=30.0)] == [11, 21, 22, 12]
        assert track(connection, []).num_rows == 0
    assert [(row["diasourceid"], row["survey"]) for row in found] == [(11, 1), (21, 2), (12, 1)]
    assert [row["midpointmjdtai"] - NOON for row in found] == pytest.approx([0.3, 0.35, 0.4])
    last = found[-1]
    assert (last["ra"], last["decl"], last["band"]) == (10.2, -5.1, "r")
    assert last["mag"] == pytest.approx(18.9)
    assert last["magerr"] == pytest.approx(0.0109, rel=1e-2)
    assert last["reducedmag"] == pytest.approx(18.9 - 5 * math.log10(3.0))
    assert (found[0]["mag"], found[0]["magerr"], found[0]["reducedmag"]) == (None, None, None)
    assert found[1]["ephvmag"] == 19.0


def test_the_newest_night_lists_its_objects(stored: str) -> None:
    with connect(stored) as connection:
        night, objects, total = newest_night(connection)
        assert night is not None
        assert total == 3
        assert [(one.designation, one.detections) for one in objects] == [
            ("2004 JQ12", 2), ("217301", 1), ("2020 SJ88", 1),
        ]  # fmt: skip
        assert newest_night(connection, within=30.0)[1][0] == Detected("217301", 2, 19.0, None, None)
        assert len(newest_night(connection, most=1)[1]) == 1
        assert newest_night(connection, most=1)[2] == 3


def test_an_object_is_called_by_number_and_name(stored: str) -> None:
    with connect(stored) as connection:
        assert title(find(connection, "2004 JQ12")) == "(217301) Testobject"
        assert title(find(connection, "2020 SJ88")) == "2020 SJ88"
        assert title(find(connection, "2026 AH")) == "2026 AH"
