"""What alerts are near to: live, in reprocessing, in retry, in any order, and while catalogues change."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from broken_adapter import BrokenAdapter
from enrichments import Meddler

from broker_assets.accounting import facts as booked
from broker_assets.context.comparison import compare
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.object_context import ObjectContext
from broker_assets.context.store import CatalogueStore
from broker_assets.database import engine
from broker_assets.lightcurves.object_features import ObjectFeatures
from broker_assets.provenance.stale_facts import mark_nights
from broker_assets.sky.matching import SkyMatching
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.reprocess import reprocess_night
from broker_assets.stream.retry import retry_quarantine

pytestmark = pytest.mark.database

SURVEYS = {"alerts": "rubin"}
PLACES = {1: (10.0, 20.0), 2: (40.0, -20.0), 3: (359.9999, 5.0), 4: (120.0, 60.0), 5: (10.0, 20.0)}
"""Objects; the fifth is where the first is."""
CATALOGUES = {
    "galaxies": "identifier,ra,dec,redshift,major_axis\nG1,10.002,20.0,0.02,30\nG3,0.0001,5.0,0.05,5\n",
    "vsx": "identifier,ra,dec,kind\nV2,40.0001,-20.0,M\n",
}
VISITS = 3
ARCSEC = 1.0 / 3600.0


def load(broker: Any, name: str, text: str) -> None:
    """Load a catalogue, or another version of it."""
    path = Path(broker.archive).parent / f"{name}.csv"
    path.write_text(text)
    CatalogueStore(broker.catalogues).add(name, path)


@pytest.fixture
def loaded(broker: Any) -> Any:
    """The broker, with catalogues near three of the objects."""
    for name, text in CATALOGUES.items():
        load(broker, name, text)
    return broker


def alerts(packets: ModuleType, place: Callable[[int, int], tuple[float, float]] | None = None) -> list[dict[str, Any]]:
    """Alerts of five objects, on three nights."""
    made = []
    for object_id, where in PLACES.items():
        for visit in range(VISITS):
            times = [(number, 61000.2 + number) for number in range(visit + 1)]
            alert = packets.alert(object_id, times)
            ra, dec = where if place is None else place(object_id, visit)
            alert["diaObject"] |= {"ra": ra, "dec": dec}
            made.append(alert)
    return made


def drained(broker: Any, packets: ModuleType, made: list[dict[str, Any]], **options: Any) -> Any:
    return broker.drain(packets.ListSource.of([packets.encode(alert) for alert in made]), **options)


def facts(broker: Any) -> dict[tuple[int, int], tuple[Any, ...]]:
    """Class, source and separation of each alert."""
    rows = broker.query(
        "SELECT diaobjectid, diasourceid, classification, catalogue_object_id, round(separationarcsec::numeric, 2)"
        " FROM context_matches JOIN associations USING (diaobjectid, associationid)"
    )
    return {(row[0], row[1]): row[2:] for row in rows}


def state(broker: Any) -> dict[int, tuple[Any, ...]]:
    rows = broker.query("SELECT diaobjectid, classification, catalogue_object_id FROM sherlock_classifications")
    return {row[0]: row[1:] for row in rows}


def nights(broker: Any) -> list[str]:
    return [str(night) for (night,) in broker.query("SELECT DISTINCT night FROM archive_file ORDER BY 1")]


CLASSES = {1: ("SN", "G1"), 2: ("VS", "V2"), 3: ("NT", "G3"), 4: ("ORPHAN", None), 5: ("SN", "G1")}


def test_facts_and_state(loaded: Any, packets: ModuleType) -> None:
    report = drained(loaded, packets, alerts(packets))
    assert report.stored == len(PLACES) * VISITS
    found = facts(loaded)
    assert len(found) == report.stored
    assert {key[0]: row[:2] for key, row in found.items()} == CLASSES
    assert state(loaded) == CLASSES
    # each object did not move: one association of each, that all of its alerts refer to
    assert loaded.value("SELECT count(*) FROM associations") == len(PLACES)
    assert report.facts["context_matches"] == report.stored
    row = dict(
        zip(
            ("z", "best_distance", "flag", "source", "text", "url"),
            loaded.query(
                "SELECT z, best_distance, best_distance_flag, best_distance_source, description, additional_output"
                " FROM sherlock_classifications WHERE diaObjectId = 1"
            )[0],
            strict=True,
        )
    )
    assert (row["z"], row["flag"], row["source"]) == (pytest.approx(0.02), "sz", "galaxies")
    assert row["best_distance"] == pytest.approx(87.1, abs=0.5)
    assert row["text"].startswith("The position is near the galaxy G1")
    assert row["url"] == "/api/objects/1/context"
    (inputs,) = {
        tuple(sorted(row[0]))
        for row in loaded.query("SELECT inputs FROM ingest_batch_facts WHERE asset = 'context_matches'")
    }
    assert inputs == ("catalogues:galaxies", "catalogues:vsx", "context_rules")
    loaded.assert_closed_ledger()


def test_features_know_the_host(loaded: Any, packets: ModuleType) -> None:
    made = alerts(packets)
    for alert in made:
        for source in (alert["diaSource"], *(alert["prvDiaSources"] or [])):
            source["psfFlux"] = 5000.0
    drained(loaded, packets, made)
    known = dict(loaded.query("SELECT diaobjectid, absmag FROM objects"))
    # only hosts of explosions give a distance: not the star, not the orphan
    assert {number for number, value in known.items() if value is not None} == {1, 3, 5}
    assert known[1] == pytest.approx(31.4 - 2.5 * np.log10(5000.0) - 34.7, abs=0.5)


def test_without_catalogues_there_is_no_class(broker: Any, packets: ModuleType) -> None:
    report = drained(broker, packets, alerts(packets))
    assert report.stored == len(PLACES) * VISITS
    assert (facts(broker), state(broker)) == ({}, {})
    assert broker.query("SELECT DISTINCT inputs FROM ingest_batch_facts WHERE asset = 'context_matches'") == [({},)]
    # a catalogue that is loaded later is used when nights are rebuilt
    for name, text in CATALOGUES.items():
        load(broker, name, text)
    for night in nights(broker):
        reprocess_night(broker.database_url, night, surveys=SURVEYS, plan=broker.plan, facts_only=True)
    assert state(broker) == CLASSES
    assert len(facts(broker)) == report.stored


def moving(object_id: int, visit: int) -> tuple[float, float]:
    """Positions that change with each alert."""
    ra, dec = PLACES[object_id]
    return ra, dec + 0.2 * visit * ARCSEC


def test_the_order_of_packets_does_not_matter_and_rebuilt_nights_are_equal(loaded: Any, packets: ModuleType) -> None:
    made = alerts(packets, moving)
    random.Random(3).shuffle(made)
    drained(loaded, packets, made)
    before = facts(loaded), state(loaded), loaded.rows("associations")
    separations = sorted(float(row[2]) for key, row in before[0].items() if key[0] == 2)
    assert separations == pytest.approx([0.34, 0.39, 0.52], abs=0.01)
    for facts_only in (False, True):
        loaded.execute("UPDATE objects SET associationid = 9 WHERE diaobjectid < 4")
        loaded.execute("UPDATE context_matches SET associationid = 9")
        for night in nights(loaded):
            reprocess_night(loaded.database_url, night, surveys=SURVEYS, plan=loaded.plan, facts_only=facts_only)
        assert (facts(loaded), state(loaded), loaded.rows("associations")) == before


def test_a_retry_writes_what_its_alerts_are_near_to(loaded: Any, packets: ModuleType) -> None:
    adapter = BrokenAdapter(lambda identity: 2 in identity.diaobjectid, "two")
    drained(loaded, packets, alerts(packets), decoder=lambda: loaded.decoder(adapter))
    assert 2 not in state(loaded)
    retry_quarantine(loaded.database_url, loaded.archive_url, loaded.decoder, topic=loaded.topic, plan=loaded.plan)
    assert state(loaded) == CLASSES
    assert len(facts(loaded)) == len(PLACES) * VISITS


def test_a_catalogue_that_changes_meanwhile_is_used(loaded: Any, packets: ModuleType) -> None:
    """Between the computing of a batch and its writing: what is written holds for the new version, features as well."""
    context = ObjectContext(CataloguesInForce(loaded.catalogues))

    def change(_: Any) -> None:
        load(loaded, "galaxies", "identifier,ra,dec,redshift\nG4,120.001,60.0,0.03\n")

    # After the others: what they computed is of before the change.
    plan = EnrichmentPlan([SkyMatching(loaded.sky), context, ObjectFeatures(), Meddler(on_compute=change)])
    drained(loaded, packets, alerts(packets), plan=plan)
    wanted = {1: ("ORPHAN", None), 2: ("VS", "V2"), 3: ("ORPHAN", None), 4: ("SN", "G4"), 5: ("ORPHAN", None)}
    assert state(loaded) == wanted
    version = CatalogueStore(loaded.catalogues).get("galaxies").version
    used = loaded.query(
        "SELECT DISTINCT inputs ->> 'catalogues:galaxies' FROM ingest_batch_facts WHERE asset = 'context_matches'"
    )
    assert used == [(version,)]
    hosts = loaded.query("SELECT diaobjectid FROM objects WHERE absmag IS NOT NULL")
    assert hosts in ([], [(4,)])


def test_alerts_without_a_position_have_no_match(loaded: Any, packets: ModuleType) -> None:
    made = alerts(packets)[:2]
    made[1]["diaObject"] |= {"ra": float("nan")}
    drained(loaded, packets, made)
    assert [key[1] for key in facts(loaded)] == [made[0]["diaSource"]["diaSourceId"]]
    # the newest alert of the object says nothing of where it is
    assert state(loaded) == {}


def test_a_changed_catalogue_makes_exactly_its_objects_stale(loaded: Any, packets: ModuleType) -> None:
    """From the change to nights that are as if the new version had always been there."""
    made = alerts(packets, moving)
    compared(loaded)
    drained(loaded, packets, made)
    assert stale(loaded) == {}
    load(loaded, "vsx", CATALOGUES["vsx"] + "V4,120.0002,60.0,RR\n")
    compared(loaded)
    assets = {"context_matches", *loaded.plan.readers("context_matches")}
    assert assets >= {"context_matches", "object_features"}
    assert stale(loaded) == {(asset, 4): VISITS for asset in assets}
    before = facts(loaded)
    for night in nights(loaded):
        reprocess_night(loaded.database_url, night, surveys=SURVEYS, plan=loaded.plan, facts_only=True)
    assert stale(loaded) == {}
    after = facts(loaded)
    assert {key for key in after if after[key] != before[key]} == {key for key in after if key[0] == 4}
    assert state(loaded)[4] == ("VS", "V4")


FACTS = ("watchlist_facts", "area_facts", "sky_map_facts", "context_matches", "object_features", "class_scores")


def content(broker: Any) -> tuple[Any, ...]:
    """All facts and their state, without what says which batch wrote them, and what the ledger says of them."""
    rows = {table: broker.rows(table, without=("ingestid",)) for table in (*FACTS, "object_features")}
    with engine.connect(broker.database_url) as connection:
        known = booked.nights(connection, nights(broker))
    return rows, state(broker), {key: (one.rows, one.data_version, one.code_version) for key, one in known.items()}


@pytest.mark.parametrize("seed", range(4))
def test_marked_facts_alone_are_rebuilt_and_equal_those_of_whole_nights(
    loaded: Any, packets: ModuleType, seed: int
) -> None:
    """Whatever sources come, go and change near whichever objects."""
    made = alerts(packets, moving)
    compared(loaded)
    drained(loaded, packets, made)
    draw = random.Random(seed)
    galaxies, stars = CATALOGUES["galaxies"].splitlines(), CATALOGUES["vsx"].splitlines()
    for number in draw.sample(sorted(PLACES), 2):
        ra, dec = PLACES[number]
        near = f"N{number},{(ra + draw.uniform(-1, 1) * ARCSEC) % 360},{dec + draw.uniform(-1, 1) * ARCSEC}"
        lines, rest = draw.choice([(galaxies, "0.03,3"), (stars, "RR")])
        lines.append(f"{near},{rest}")
    if draw.random() < 0.5:
        del galaxies[1]
    load(loaded, "galaxies", "\n".join(galaxies) + "\n")
    load(loaded, "vsx", "\n".join(stars) + "\n")
    compared(loaded)
    marked = {number for _, number in stale(loaded)}
    assert marked
    last = loaded.value("SELECT max(ingestid) FROM ingest_batch")
    for night in nights(loaded):
        report = reprocess_night(
            loaded.database_url, night, surveys=SURVEYS, plan=loaded.plan, facts_only=True, marked_only=True
        )
        assert report.received == report.duplicate == len(marked)
    assert stale(loaded) == {}
    for table in FACTS:
        again = f"SELECT DISTINCT diaobjectid FROM {table} WHERE ingestid > {last}"
        assert {number for (number,) in loaded.query(again)} <= marked, table
    alone = content(loaded)
    for night in nights(loaded):
        reprocess_night(loaded.database_url, night, surveys=SURVEYS, plan=loaded.plan, facts_only=True)
    assert content(loaded) == alone
    loaded.assert_closed_ledger()


def test_a_night_of_which_all_is_marked_is_rebuilt_whole(loaded: Any, packets: ModuleType) -> None:
    drained(loaded, packets, alerts(packets))
    with engine.transaction(loaded.database_url) as connection:
        assert mark_nights(connection, ["context_matches"], nights(loaded)[:1], "a test") == 1
    report = reprocess_night(
        loaded.database_url, nights(loaded)[0], surveys=SURVEYS, plan=loaded.plan, facts_only=True, marked_only=True
    )
    assert report.received == len(PLACES)


def compared(broker: Any) -> None:
    with engine.connect(broker.database_url, autocommit=True) as connection:
        compare(connection, CataloguesInForce(broker.catalogues), readers=broker.plan.readers("context_matches"))


def stale(broker: Any) -> dict[tuple[str, int], int]:
    rows = broker.query("SELECT asset, diaobjectid, count(*) FROM stale_facts GROUP BY 1, 2")
    return {(asset, number): count for asset, number, count in rows}
