"""Filters over the stream: live, in reprocessing, while everything changes; and what a bad one costs."""

from __future__ import annotations

import json
import os
import random
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from enrichments import Meddler

from broker_assets.database import engine, tables
from broker_assets.filters.engine.sandbox import Limits, Sandbox
from broker_assets.filters.matching import FilterMatches
from broker_assets.filters.query import Form
from broker_assets.filters.store import FilterChanges, change_filter, create_filter, remove_filter, save_filter
from broker_assets.provenance.periods import record_changes
from broker_assets.settings import DrainSettings
from broker_assets.sky.lists import ListSettings, add_cones, change_list, create_area, create_watchlist
from broker_assets.sky.matching import SkyMatching
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.reprocess import reprocess_night

pytestmark = pytest.mark.database

SURVEYS = {"alerts": "rubin"}
ROWS = 'SELECT filterid, version, diaobjectid, diasourceid, rows, "row" FROM filter_matches ORDER BY 1, 4, 3'
SMALL = DrainSettings(batch_max=7, batch_seconds=0.2, idle_seconds=0.1)


def alerts(packets: ModuleType, objects: int = 5, visits: int = 4) -> list[dict[str, Any]]:
    """Alerts of objects, visit by visit; the first two visits are in one night."""
    times = [(0, 61000.2), (1, 61000.21), (2, 61001.2), (3, 61002.2)][:visits]
    return [
        packets.alert(object_id, times[: visit + 1]) for visit in range(visits) for object_id in range(1, objects + 1)
    ]


def drained(broker: Any, packets: ModuleType, made: list[dict[str, Any]], **options: Any) -> Any:
    report = broker.drain(packets.ListSource.of([packets.encode(alert) for alert in made]), **options)
    assert report.stored == len(made)
    return report


def enabled(broker: Any, form: Form | str, name: str = "one", owner: str = "ann") -> int:
    """Number of a new filter that runs."""
    with engine.connect(broker.database_url) as connection:
        number = create_filter(connection, owner, name, form)
        change_filter(connection, owner, number, FilterChanges(active=True))
    return number


def nights(broker: Any) -> list[str]:
    return [str(night) for (night,) in broker.query("SELECT DISTINCT night FROM archive_file ORDER BY 1")]


def test_alerts_pass_as_their_own_packets_say(broker: Any, packets: ModuleType) -> None:
    """All alerts of an object are in one batch; each is judged by what its packet says and not by the newest."""
    number = enabled(broker, "SELECT diaObjectId, nDiaSources, ra FROM objects WHERE nDiaSources = 2")
    made = alerts(packets)
    drained(broker, packets, made)
    found = broker.query(ROWS)
    wanted = [alert for alert in made if alert["diaObject"]["nDiaSources"] == 2]
    assert [(row[0], row[1], row[2], row[3]) for row in found] == [
        (number, 1, alert["diaSource"]["diaObjectId"], alert["diaSource"]["diaSourceId"]) for alert in wanted
    ]
    assert [json.loads(row[5]) for row in found] == [
        {"diaObjectId": alert["diaSource"]["diaObjectId"], "nDiaSources": 2, "ra": alert["diaObject"]["ra"]}
        for alert in wanted
    ]
    assert broker.value("SELECT sum(matches) FROM filter_runs WHERE problem IS NULL") == len(wanted)


def test_every_table_of_the_alert_is_there(broker: Any, packets: ModuleType) -> None:
    made = alerts(packets, visits=1)
    for alert in made[:2]:
        alert["diaObject"] |= {"ra": 10.0, "dec": 10.0}
    with engine.connect(broker.database_url) as connection:
        near = create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10, star"]), radius=5.0)
        one = create_area(connection, "ann", "one", cone_area(10.0, 10.0, 1.0, order=8))
        other = create_area(connection, "ann", "other", cone_area(10.0, 10.0, 2.0, order=8))
        tns = create_watchlist(connection, "system", "__TNS__", parse_watchlist(["10, 10.0001, 2025abc"]), radius=5.0)
        connection.execute(
            "INSERT INTO crossmatch_tns (tns_name, tns_prefix, ra, decl, type, htm16)"
            " VALUES ('2025abc', 'SN', 10, 10.0001, 'SN Ia', 0)"
        )
        connection.execute("INSERT INTO annotators (topic, owner, public, revision) VALUES ('fink', 'bob', true, 1)")
        connection.execute(
            "INSERT INTO annotation_history (diaobjectid, topic, classification, classdict, content, revision_from,"
            " ingestid) VALUES (1, 'fink', 'SN', '{\"p\": 0.9}', 'x', 0, 1), (2, 'fink', 'AGN', '{}', 'y', 0, 1)"
        )
        connection.execute(
            "INSERT INTO object_link (diaobjectid, linkedid, arcsec, night, survey, linkedsurvey)"
            " VALUES (1, 99, 0.5, '2025-11-20', 1, 2)"
        )
        record_changes(connection, tables.crossmatch_tns, tables.crossmatch_tns_history, key=["id"])
        record_changes(connection, tables.object_link, tables.object_link_history, key=["diaobjectid", "linkedid"])
    assert tns
    selected = "objects.diaObjectId, watchlist_hits.name, watchlist_hits.arcsec"
    enabled(broker, Form(selected, f"objects, watchlist:{near}", ""), "watchlist")
    enabled(broker, Form("objects.diaObjectId", f"objects, area:{one}&{other}", ""), "areas")
    enabled(broker, Form("objects.diaObjectId, crossmatch_tns.type", "objects, crossmatch_tns", ""), "tns")
    enabled(broker, "SELECT diaObjectId, tns_name FROM objects WHERE tns_name IS NOT NULL", "named")
    annotated = "fink.classification = 'SN'"
    enabled(broker, Form("objects.diaObjectId, fink.classification", "objects, annotator:fink", annotated), "fink")
    enabled(
        broker,
        "SELECT o.diaObjectId, l.linkedId FROM objects AS o JOIN object_link AS l ON l.diaObjectId = o.diaObjectId",
        "linked",
    )
    enabled(
        broker,
        "SELECT o.diaObjectId, c.class, c.score FROM objects AS o JOIN object_classes AS c"
        " ON c.diaObjectId = o.diaObjectId WHERE c.score >= 0 ORDER BY c.score DESC",
        "classes",
    )
    enabled(
        broker,
        "WITH near AS (SELECT o.diaObjectId, w.name FROM objects AS o JOIN watchlist_hits AS w USING (diaObjectId)"
        f" WHERE w.wl_id = {near}) SELECT n.name, (SELECT count(*) FROM object_classes AS c WHERE c.diaObjectId ="
        " n.diaObjectId) AS scores FROM near AS n WHERE n.diaObjectId IN (SELECT diaObjectId FROM object_link) AND"
        " EXISTS (SELECT 1 FROM annotations AS a WHERE a.diaObjectId = n.diaObjectId AND a.topic = 'fink')",
        "nested",
    )
    drained(broker, packets, made)
    found: dict[str, list[Any]] = {}
    for name, row in broker.query('SELECT name, "row" FROM filter_matches JOIN filters USING (filterid) ORDER BY 1, 2'):
        found.setdefault(name, []).append(json.loads(row))
    assert [(row["diaObjectId"], row["name"]) for row in found["watchlist"]] == [(1, "star"), (2, "star")]
    assert found["areas"] == [{"diaObjectId": 1}, {"diaObjectId": 2}]
    assert found["tns"] == [{"diaObjectId": 1, "type": "SN Ia"}, {"diaObjectId": 2, "type": "SN Ia"}]
    assert found["named"] == [{"diaObjectId": 1, "tns_name": "2025abc"}, {"diaObjectId": 2, "tns_name": "2025abc"}]
    assert found["fink"] == [{"diaObjectId": 1, "classification": "SN"}]
    assert found["linked"] == [{"diaObjectId": 1, "linkedId": 99}]
    assert len(found["classes"]) == len(made)
    stored = broker.query("SELECT diaobjectid, class, score FROM class_scores ORDER BY score DESC")
    assert found["nested"] == [{"name": "star", "scores": sum(row[0] == 1 for row in stored)}]
    for row in found["classes"]:
        best = next(item for item in stored if item[0] == row["diaObjectId"])
        assert row["score"] == pytest.approx(best[2])


def test_what_changes_before_a_batch_is_written_counts(broker: Any, packets: ModuleType) -> None:
    """Filters, lists and annotations change between the computing of a batch and its writing."""
    with engine.connect(broker.database_url) as connection:
        near = create_watchlist(connection, "ann", "list", parse_watchlist(["300, 80, far"]), radius=5.0)
        connection.execute("INSERT INTO annotators (topic, owner, public, revision) VALUES ('fink', 'ann', true, 1)")
    form = Form("objects.diaObjectId", f"objects, watchlist:{near}")
    listed, gone = enabled(broker, form, "listed"), enabled(broker, "SELECT diaObjectId FROM objects", "gone")
    changed = enabled(broker, "SELECT diaObjectId, ra FROM objects", "changed")
    fink = enabled(broker, Form("objects.diaObjectId", "objects, annotator:fink"), "fink")
    new: list[int] = []

    def change(_: Any) -> None:
        if new:
            return
        with engine.connect(broker.database_url) as connection:
            add_cones(connection, "ann", near, parse_watchlist(["10, 10, star"]))
            remove_filter(connection, "ann", gone)
            save_filter(connection, "ann", changed, "SELECT diaObjectId, decl FROM objects")
            number = connection.execute("SELECT value FROM revision_counter").fetchone()
            connection.execute(
                "INSERT INTO annotation_history (diaobjectid, topic, classification, content, revision_from, ingestid)"
                " VALUES (3, 'fink', 'SN', 'x', %s, 1)",
                (number[0] if number else 0,),
            )
        new.append(enabled(broker, "SELECT diaObjectId FROM objects WHERE diaObjectId = 2", "new"))

    made = alerts(packets, visits=1)
    made[0]["diaObject"] |= {"ra": 10.0, "dec": 10.0}
    plan = EnrichmentPlan([*broker.plan.enrichments, Meddler(on_compute=change, reads=("filter_matches",))])
    drained(broker, packets, made, plan=plan)
    found: dict[int, list[Any]] = {}
    for number, version, row in broker.query(
        'SELECT filterid, version, "row" FROM filter_matches ORDER BY diaobjectid'
    ):
        found.setdefault(number, []).append((version, json.loads(row)))
    assert found.pop(listed) == [(1, {"diaObjectId": 1})]
    assert [set(row) for _, row in found[changed]] == [{"diaObjectId", "decl"}] * 5
    assert {version for version, _ in found.pop(changed)} == {2}
    assert found.pop(fink) == [(1, {"diaObjectId": 3})]
    assert found == {new[0]: [(1, {"diaObjectId": 2})]}
    before = broker.rows("filter_matches", without=("ingestid",))
    reprocess_night(broker.database_url, nights(broker)[0], surveys=SURVEYS, plan=broker.plan)
    assert broker.rows("filter_matches", without=("ingestid",)) == before


class Outbox:
    """Notes what is to be delivered."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def __call__(self, connection: Any, matches: pa.Table, ingestid: int, *, late: bool = False) -> int:
        self.messages += [row | {"late": late} for row in matches.to_pylist()]
        return len(matches)


def test_the_stream_is_delivered_and_reprocessing_is_not(broker: Any, packets: ModuleType, sandbox: Sandbox) -> None:
    number = enabled(broker, "SELECT diaObjectId FROM objects WHERE diaObjectId = 2")
    outbox = Outbox()

    def plan() -> EnrichmentPlan:
        sky = SkyMatching(broker.sky)
        return EnrichmentPlan([*broker.plan.enrichments[:-1], FilterMatches(sky.matches, sandbox, outbox)])

    made = alerts(packets, visits=2)
    drained(broker, packets, made, plan=plan())
    triggers = [
        f"alert/2/{alert['diaSource']['diaSourceId']}" for alert in made if alert["diaObject"]["diaObjectId"] == 2
    ]
    assert sorted(message["trigger"] for message in outbox.messages) == sorted(triggers)
    first = outbox.messages[0]
    assert (first["filterid"], first["version"], first["diaobjectid"], first["late"]) == (number, 1, 2, False)
    assert json.loads(first["row"]) == {"diaObjectId": 2}
    with engine.connect(broker.database_url) as connection:
        save_filter(connection, "ann", number, "SELECT diaObjectId FROM objects WHERE diaObjectId IN (2, 3)")
    for night in nights(broker):
        reprocess_night(broker.database_url, night, surveys=SURVEYS, plan=plan())
        reprocess_night(broker.database_url, night, surveys=SURVEYS, plan=plan(), lists_now=True)
    assert len(outbox.messages) == 2
    assert broker.value("SELECT count(*) FROM filter_matches WHERE version = 2") == 4


def test_a_bad_filter_costs_the_others_nothing_and_is_accounted_for(broker: Any, packets: ModuleType) -> None:
    good = enabled(broker, "SELECT diaObjectId FROM objects", "good")
    bad = enabled(broker, "SELECT diaObjectId FROM objects WHERE ra > 0", "bad")
    broker.execute("UPDATE filter_versions SET definition = 'SELECT nothing FROM nowhere' WHERE filterid = %s", [bad])
    sky = SkyMatching(broker.sky)
    filters = FilterMatches(sky.matches, broker.sandbox, per_batch=3)
    plan = EnrichmentPlan([*broker.plan.enrichments[:-1], filters])
    made = alerts(packets, visits=1)
    drained(broker, packets, made, plan=plan)
    rows = broker.query("SELECT filterid, matches, over_limit, problem FROM filter_runs ORDER BY 1")
    assert rows == [(good, 3, 2, None), (bad, 0, 0, "error")]
    assert broker.value("SELECT message FROM filter_runs WHERE filterid = %s", [bad])
    kept = broker.query("SELECT diasourceid FROM filter_matches ORDER BY 1")
    assert kept == [(alert["diaSource"]["diaSourceId"],) for alert in made[:3]]


def test_a_process_that_cannot_start_stops_no_alert(broker: Any, packets: ModuleType) -> None:
    enabled(broker, "SELECT diaObjectId FROM objects")
    sky = SkyMatching(broker.sky)
    with Sandbox(Limits(memory=0)) as broken:
        plan = EnrichmentPlan([*broker.plan.enrichments[:-1], FilterMatches(sky.matches, broken)])
        drained(broker, packets, alerts(packets, visits=1), plan=plan)
    assert broker.query("SELECT matches, problem FROM filter_runs") == [(0, "starved")]


class World:
    """A broker whose lists, filters and annotations change at random."""

    def __init__(self, broker: Any, generator: random.Random) -> None:
        self.broker, self.generator = broker, generator
        self.filters: list[int] = []
        with engine.connect(broker.database_url) as connection:
            self.watchlist = create_watchlist(connection, "ann", "list", self.cones(4), radius=3600.0 / 10)
            connection.execute(
                "INSERT INTO annotators (topic, owner, public, revision) VALUES ('fink', 'ann', true, 1)"
            )
            # One that stays and passes everything: what the others pass depends on chance.
            everything = create_filter(connection, "ann", "everything", "SELECT diaObjectId FROM objects")
            change_filter(connection, "ann", everything, FilterChanges(active=True))

    def cones(self, number: int) -> Any:
        """Cones at the places of objects."""
        chosen = [self.generator.randrange(1, 9) for _ in range(number)]
        lines = [f"{(one * 0.37) % 360.0}, {-60.0 + (one * 0.11) % 90.0}, c{self.generator.random()}" for one in chosen]
        return parse_watchlist(lines)

    def form(self) -> Form | str:
        """A filter at random."""
        limit = self.generator.randrange(1, 5)
        forms: list[Form | str] = [
            f"SELECT diaObjectId, nDiaSources FROM objects WHERE nDiaSources >= {limit}",
            f"SELECT diaObjectId, ra + decl AS s FROM objects WHERE nDiaSources % 2 = {limit % 2}",
            f"SELECT diaObjectId, g_psfFlux, nSourcesGood FROM objects WHERE nSourcesGood > {limit}",
            Form(
                "objects.diaObjectId, watchlist_hits.name, watchlist_hits.arcsec",
                f"objects, watchlist:{self.watchlist}",
                f"objects.nDiaSources >= {limit}",
            ),
            Form("objects.diaObjectId, fink.classification", "objects, annotator:fink", "fink.classification <> 'A'"),
        ]
        return self.generator.choice(forms)

    def change(self) -> None:
        """Change something."""
        generator = self.generator
        with engine.connect(self.broker.database_url) as connection:
            action = generator.choice(["new", "new", "save", "toggle", "remove", "cones", "list", "annotate"])
            if action == "new" or not self.filters:
                number = create_filter(connection, "ann", f"f{generator.random()}", self.form())
                change_filter(connection, "ann", number, FilterChanges(active=True))
                self.filters.append(number)
            elif action == "save":
                save_filter(connection, "ann", generator.choice(self.filters), self.form())
            elif action == "toggle":
                active = generator.random() < 0.7
                change_filter(connection, "ann", generator.choice(self.filters), FilterChanges(active=active))
            elif action == "remove" and len(self.filters) > 3:
                remove_filter(connection, "ann", self.filters.pop())
            elif action == "cones":
                add_cones(connection, "ann", self.watchlist, self.cones(1))
            elif action == "list":
                changed = ListSettings(active=generator.random() < 0.8)
                change_list(connection, "ann", "watchlist", self.watchlist, changed)
            elif action == "annotate":
                self.annotate(connection)
            connection.commit()

    def annotate(self, connection: Any) -> None:
        """Another annotation of an object, as `annotations` stores it."""
        number = connection.execute("UPDATE revision_counter SET value = value + 1 RETURNING value").fetchone()[0]
        one = self.generator.randrange(1, 9)
        connection.execute(
            "UPDATE annotation_history SET revision_to = %s WHERE diaobjectid = %s AND revision_to IS NULL",
            (number, one),
        )
        connection.execute(
            "INSERT INTO annotation_history (diaobjectid, topic, classification, content, revision_from, ingestid)"
            " VALUES (%s, 'fink', %s, %s, %s, 1)",
            (one, self.generator.choice("ABC"), str(number), number),
        )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20 if os.environ.get("BROKER_TEST_FULL") else 1))
def test_a_night_rebuilt_has_the_matches_of_the_stream(broker: Any, packets: ModuleType, seed: int) -> None:
    """Whatever changed meanwhile, and in whatever batches the alerts came."""
    generator = random.Random(seed)
    world = World(broker, generator)
    for _ in range(6):
        world.change()
    values = [packets.encode(alert) for alert in alerts(packets, objects=8, visits=4) if generator.random() < 0.9]
    generator.shuffle(values)
    source = packets.ListSource.of([], partitions=2)

    def meddle(_: Any) -> None:
        if generator.random() < 0.4:
            world.change()

    enrichments = broker.plan.enrichments
    plan = EnrichmentPlan([*enrichments, Meddler(on_compute=meddle, reads=("filter_matches",))])
    while values:
        for _ in range(generator.randrange(5, 20)):
            if values:
                source.append(generator.randrange(2), values.pop())
        broker.drain(source, settings=DrainSettings(batch_max=9, batch_seconds=0.05, idle_seconds=0.01), plan=plan)
        world.change()
    before = broker.rows("filter_matches", without=("ingestid",))
    assert before
    for night in nights(broker):
        facts_only = generator.random() < 0.5
        reprocess_night(broker.database_url, night, surveys=SURVEYS, plan=plan, facts_only=facts_only)
        assert broker.rows("filter_matches", without=("ingestid",)) == before
    broker.assert_closed_ledger()
