"""Facts and state against brute force, whatever the order of packets, runs, reprocessing and changes of lists."""

from __future__ import annotations

import datetime
import os
import random
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import numpy as np
import psycopg
import pytest
from astropy.time import Time
from enrichments import Meddler
from mocpy import MOC

from broker_assets.database import engine
from broker_assets.provenance.revisions import current_revision
from broker_assets.settings import DrainSettings, MovingListSettings
from broker_assets.sky.error_circles import ErrorCircle, EventNotice
from broker_assets.sky.in_force import AREAS, CONES
from broker_assets.sky.indices import refresh_area_index, refresh_cone_index
from broker_assets.sky.lists import (
    ListSettings,
    add_cones,
    change_list,
    create_area,
    create_watchlist,
    delete_cones,
    delete_list,
    replace_area,
    replace_cones,
)
from broker_assets.sky.matching import SkyMatching
from broker_assets.sky.moving_lists import apply_event_notice, expire_event_cones
from broker_assets.sky.regions import cone_area
from broker_assets.sky.rematch import lists_to_rematch, rematch
from broker_assets.sky.separation import separation
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.reprocess import reprocess_night

pytestmark = pytest.mark.database

SURVEYS = {"alerts": "rubin"}
CENTRES = [(10.0, 10.0), (359.9995, -5.0), (200.0, -89.9), (120.0, 45.0)]
SPREAD = 40.0 / 3600.0
NIGHTS = ("2025-11-20", "2025-11-21", "2025-11-22")

BURSTS = MovingListSettings(name="bursts", topics=("bursts",), days_before=0.7, days_after=0.8)

Snapshot = tuple[dict[int, tuple[float, ...]], dict[int, bytes]]


def position(generator: random.Random) -> tuple[float, float]:
    """Somewhere near one of the centres: across RA 0 and the pole as well."""
    ra, dec = generator.choice(CENTRES)
    dec_ = max(-90.0, min(90.0, dec + generator.uniform(-SPREAD, SPREAD)))
    return (ra + generator.uniform(-SPREAD, SPREAD) / max(np.cos(np.radians(dec_)), 1e-3)) % 360.0, dec_


@dataclass
class World:
    """A broker, lists that change at random, and what each number of the counter meant."""

    broker: Any
    packets: ModuleType
    generator: random.Random
    snapshots: dict[int, Snapshot] = field(default_factory=dict)
    alerts: dict[tuple[int, int], tuple[float, float, str, float]] = field(default_factory=dict)
    """(object, source) to position of the object in the packet, night and time."""
    watchlists: list[int] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)

    def look(self, connection: psycopg.Connection[Any]) -> None:
        """Note what is matched at the number that is current now."""
        cones = {
            row[0]: tuple(row[1:])
            for row in connection.execute(
                "SELECT cone_id, cone.ra, cone.decl, coalesce(nullif(cone.radius, 0), list.radius),"
                " coalesce(mjd_since, '-infinity'), coalesce(mjd_until, 'infinity')"
                " FROM watchlist_cones AS cone JOIN watchlists AS list USING (wl_id) WHERE list.active"
            )
        }
        areas = dict(connection.execute("SELECT ar_id, moc FROM areas WHERE active").fetchall())
        self.snapshots[current_revision(connection)] = (cones, areas)

    def change(self) -> None:
        """Change one list at random."""
        with engine.connect(self.broker.database_url) as connection:
            self._change(connection)
            connection.commit()
            self.look(connection)

    def cones(self, number: int) -> Any:
        """Some cones near the centres, half of them with a radius of their own."""
        lines = []
        for _ in range(number):
            ra, dec = position(self.generator)
            radius = self.generator.choice(["", f", {self.generator.uniform(5, 120):.3f}"])
            lines.append(f"{ra:.9f}, {dec:.9f}, c{self.generator.randrange(10**6)}{radius}")
        return parse_watchlist(lines)

    def _change(self, connection: psycopg.Connection[Any]) -> None:
        generator = self.generator
        if generator.random() < 0.3:
            self._event(connection)
            return
        kinds: list[Literal["watchlist", "area"]] = ["watchlist", "watchlist", "area"]
        kind = generator.choice(kinds)
        known = self.watchlists if kind == "watchlist" else self.areas
        if len(known) < 2 or generator.random() < 0.1:
            name = f"{kind} {generator.randrange(10**9)}"
            active = generator.random() < 0.8
            if kind == "watchlist":
                known.append(
                    create_watchlist(
                        connection, "ann", name, self.cones(6), radius=generator.uniform(5, 90), active=active
                    )
                )
            else:
                known.append(create_area(connection, "ann", name, self.moc(), active=active))
            return
        chosen = generator.choice(known)
        action = generator.choice(["content", "content", "radius", "toggle", "delete", "name"])
        if action == "delete" and generator.random() < 0.5:
            delete_list(connection, "ann", kind, chosen)
            known.remove(chosen)
        elif action == "toggle":
            change_list(connection, "ann", kind, chosen, ListSettings(active=generator.random() < 0.6))
        elif action == "name":
            change_list(connection, "ann", kind, chosen, ListSettings(description=str(generator.random())))
        elif kind == "area":
            replace_area(connection, "ann", chosen, self.moc())
        elif action == "radius":
            change_list(connection, "ann", kind, chosen, ListSettings(radius=generator.uniform(5, 90)))
        else:
            ids = [
                row[0] for row in connection.execute("SELECT cone_id FROM watchlist_cones WHERE wl_id = %s", (chosen,))
            ]
            what = generator.random()
            if what < 0.4 and ids:
                delete_cones(connection, "ann", chosen, generator.sample(ids, min(len(ids), 3)))
            elif what < 0.8:
                add_cones(connection, "ann", chosen, self.cones(3))
            else:
                replace_cones(connection, "ann", chosen, self.cones(6))

    def _event(self, connection: psycopg.Connection[Any]) -> None:
        """A notice of an event whose circle holds for a day and a half, or the end of such windows."""
        generator = self.generator
        moment = Time(61000.0 + generator.uniform(0.0, 2.5), format="mjd", scale="tai").utc.to_datetime(datetime.UTC)
        if generator.random() < 0.15:
            expire_event_cones(connection, moment)
            return
        ra, dec = position(generator)
        circles = (ErrorCircle(ra, dec, generator.uniform(5, 90) / 3600.0, 0.9),) if generator.random() < 0.9 else ()
        kind: Literal["update", "retraction"] = "retraction" if generator.random() < 0.2 else "update"
        event = f"event {generator.randrange(3)}"
        issued = moment + datetime.timedelta(hours=generator.uniform(0, 20))
        notice = EventNotice(event, kind, event, issued, 0, moment, () if kind == "retraction" else circles)
        apply_event_notice(connection, notice, BURSTS, topic="bursts", now=moment)

    def moc(self) -> MOC:
        """A disc near a centre."""
        ra, dec = position(self.generator)
        return cone_area(ra, dec, self.generator.uniform(0.003, 0.02), order=13)

    def refresh(self) -> None:
        """Bring the indices on disk up to date."""
        with engine.connect(self.broker.database_url) as connection:
            refresh_cone_index(connection, self.broker.sky / CONES)
            refresh_area_index(connection, self.broker.sky / AREAS)

    def rematch(self) -> None:
        """Bring the state up to date with lists that changed."""
        with engine.connect(self.broker.database_url, autocommit=True) as connection:
            for kind, identifier, _ in lists_to_rematch(connection):
                rematch(connection, kind, identifier)

    def packet(self, object_id: int, visit: int, mjd: float, night: str) -> bytes:
        """An alert whose object lies somewhere new."""
        ra, dec = position(self.generator)
        record = self.packets.alert(object_id, [(visit, mjd)], history=False)
        record["diaObject"] |= {"ra": ra, "dec": dec}
        self.alerts[object_id, record["diaSourceId"]] = (ra, dec, night, mjd)
        return self.packets.encode(record)

    def expected_facts(self) -> tuple[set[Any], set[Any]]:
        """Facts by brute force: each alert at its own position, with the lists of the number of its batch."""
        recorded = {
            (row[0], row[1]): row[2]
            for row in self.broker.query(
                "SELECT diaobjectid, diasourceid, batch.revision FROM diasources"
                " JOIN archive_file USING (archivefileid)"
                " JOIN ingest_batch AS batch ON batch.ingestid = archive_file.ingestid"
            )
        }
        assert recorded.keys() == self.alerts.keys()
        cones, areas = set(), set()
        for key, (ra, dec, night, mjd) in self.alerts.items():
            inside, held = self.brute_force(recorded[key], ra, dec, mjd)
            cones |= {(*key, night, cone) for cone in inside}
            areas |= {(*key, night, area) for area in held}
        return cones, areas

    def expected_state(self) -> tuple[set[Any], set[Any]]:
        """State by brute force: each object at its newest position, with the lists of now."""
        newest: dict[int, tuple[float, float, float]] = {}
        for (object_id, _), (ra, dec, _, mjd) in self.alerts.items():
            if object_id not in newest or mjd > newest[object_id][2]:
                newest[object_id] = (ra, dec, mjd)
        now = max(self.snapshots)
        cones, areas = set(), set()
        for object_id, (ra, dec, mjd) in newest.items():
            inside, held = self.brute_force(now, ra, dec, mjd)
            cones |= {(object_id, cone) for cone in inside}
            areas |= {(object_id, area) for area in held}
        return cones, areas

    def brute_force(self, revision: int, ra: float, dec: float, mjd: float) -> tuple[set[int], set[int]]:
        """Cones and areas that hold a position at a time."""
        import astropy.units as u
        from astropy.coordinates import Latitude, Longitude

        cones, areas = self.snapshots[revision]
        inside: set[int] = set()
        if cones:
            values = np.array(list(cones.values()))
            near = separation(ra, dec, values[:, 0], values[:, 1]) <= values[:, 2]
            near &= (values[:, 3] <= mjd) & (mjd <= values[:, 4])
            inside = {cone for cone, yes in zip(cones, near.tolist(), strict=True) if yes}
        held = {
            area
            for area, content in areas.items()
            if moc_of(content).contains_lonlat(Longitude([ra], u.deg), Latitude([dec], u.deg))[0]
        }
        return inside, held

    def check_facts(self) -> None:
        """Compare the tables of facts with brute force."""
        cones, areas = self.expected_facts()
        found = self.broker.query("SELECT diaobjectid, diasourceid, night::text, cone_id FROM watchlist_facts")
        assert len(found) == len(set(found))
        assert set(found) == cones
        rows = self.broker.query("SELECT diaobjectid, diasourceid, night::text, ar_ids FROM area_facts")
        assert {(*row[:3], area) for row in rows for area in row[3]} == areas
        assert all(row[3] == sorted(set(row[3])) and row[3] for row in rows)

    def check_state(self) -> None:
        """Compare the tables of hits with brute force."""
        cones, areas = self.expected_state()
        assert set(self.broker.query("SELECT diaobjectid, cone_id FROM watchlist_hits")) == cones
        assert set(self.broker.query("SELECT diaobjectid, ar_id FROM area_hits")) == areas


def moc_of(content: bytes) -> MOC:
    """The MOC of an area."""
    import io

    return MOC.from_fits(io.BytesIO(content))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40 if os.environ.get("BROKER_TEST_FULL") else 2))
def test_facts_and_state_equal_brute_force(broker: Any, packets: ModuleType, seed: int) -> None:
    generator = random.Random(seed)
    world = World(broker, packets, generator)
    with engine.connect(broker.database_url) as connection:
        world.look(connection)
    for _ in range(3):
        world.change()
    visits = [(number, night) for number in range(6) for night in range(3)]
    values = [
        world.packet(object_id, 3 * number + night, 61000.2 + night + 0.01 * number, NIGHTS[night])
        for number, night in visits
        for object_id in range(1, 13)
        if generator.random() < 0.7
    ]
    generator.shuffle(values)  # packets of later nights come first as well
    source = packets.ListSource.of([], partitions=2)

    def meddle(_: Any) -> None:
        """Lists change between the matching of a batch and its writing, and the indices with them."""
        if generator.random() < 0.3:
            world.change()
        if generator.random() < 0.1:
            world.refresh()

    def plan() -> EnrichmentPlan:
        # The meddler reads the facts of the sky, so it computes after them and before they are written.
        return EnrichmentPlan([SkyMatching(broker.sky), Meddler(on_compute=meddle, reads=("watchlist_facts",))])

    plans = [plan(), plan()]
    while values:
        for _ in range(generator.randrange(1, 30)):
            if values:
                source.append(generator.randrange(2), values.pop())
        settings = DrainSettings(batch_max=generator.randrange(1, 12), batch_seconds=0.05, idle_seconds=0.01)
        broker.drain(source, settings=settings, plan=generator.choice(plans))
        if generator.random() < 0.5:
            world.change()
        if generator.random() < 0.4:
            world.refresh()
        if generator.random() < 0.4:
            world.rematch()
    stored = [night for night in NIGHTS if broker.query("SELECT FROM archive_file WHERE night = %s", (night,))]
    facts = {table: broker.rows(table, without=("ingestid",)) for table in ("watchlist_facts", "area_facts")}
    world.check_facts()
    versions: dict[Any, Any] = {}
    for night in [*stored, *reversed(stored)]:
        report = reprocess_night(
            broker.database_url,
            night,
            surveys=SURVEYS,
            plan=generator.choice(plans),
            facts_only=generator.random() < 0.5,
        )
        assert (
            versions.setdefault(night, report.data_versions["watchlist_facts", night])
            == (report.data_versions["watchlist_facts", night])
        )
    world.check_facts()
    for table, rows in facts.items():
        assert broker.rows(table, without=("ingestid",)) == rows
    world.rematch()
    world.check_state()
    # the same again from nothing
    broker.execute("DELETE FROM watchlist_hits")
    with engine.connect(broker.database_url, autocommit=True) as connection:
        for (watchlist,) in connection.execute("SELECT wl_id FROM watchlists WHERE active ORDER BY 1").fetchall():
            rematch(connection, "watchlist", watchlist, whole=True)
    world.check_state()
    broker.assert_closed_ledger()


def test_a_later_night_leaves_the_facts_of_an_earlier_one(broker: Any, packets: ModuleType) -> None:
    """An object that moves out of a cone is no hit any more, but the alerts that lay in it still did."""
    with engine.connect(broker.database_url) as connection:
        create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10"]), radius=5.0)
    first = packets.alert(1, [(0, 61000.2)], history=False)
    first["diaObject"] |= {"ra": 10.0, "dec": 10.0}
    second = packets.alert(1, [(1, 61001.2)], history=False)
    second["diaObject"] |= {"ra": 10.0, "dec": 10.1}
    facts = "SELECT night::text, diasourceid FROM watchlist_facts"
    before = broker.drain(packets.ListSource.of([packets.encode(first)]))
    assert broker.query(facts) == [("2025-11-20", 1000)]
    assert broker.value("SELECT count(*) FROM watchlist_hits") == 1
    broker.drain(packets.ListSource.of([packets.encode(first), packets.encode(second)]))
    assert broker.query(facts) == [("2025-11-20", 1000)]
    assert broker.value("SELECT count(*) FROM watchlist_hits") == 0
    # and the night of the first alert, rebuilt, does not look ahead
    again = reprocess_night(broker.database_url, "2025-11-20", surveys=SURVEYS, plan=broker.plan)
    assert broker.query(facts) == [("2025-11-20", 1000)]
    assert broker.value("SELECT count(*) FROM watchlist_hits") == 0
    key = ("watchlist_facts", "2025-11-20")
    assert again.data_versions[key] == before.data_versions[key]


def test_a_night_is_rebuilt_with_the_lists_of_its_time_or_of_today(broker: Any, packets: ModuleType) -> None:
    alert = packets.alert(1, [(0, 61000.2)], history=False)
    alert["diaObject"] |= {"ra": 10.0, "dec": 10.0}
    broker.drain(packets.ListSource.of([packets.encode(alert)]))
    with engine.connect(broker.database_url) as connection:
        create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10"]), radius=5.0)

    def rebuilt(**options: Any) -> int:
        reprocess_night(broker.database_url, "2025-11-20", surveys=SURVEYS, plan=broker.plan, **options)
        return int(broker.value("SELECT count(*) FROM watchlist_facts"))

    assert rebuilt() == 0
    assert rebuilt(lists_now=True) == 1
    assert rebuilt(facts_only=True) == 0
    assert rebuilt(facts_only=True, lists_now=True) == 1
    assert rebuilt() == 0


def test_a_list_that_changes_while_a_batch_is_computed(broker: Any, packets: ModuleType) -> None:
    """What is written holds for the number that the batch records, and nothing is missed by both ways."""
    done: list[int] = []

    def change(_: Any) -> None:
        if not done:
            done.append(1)
            with engine.connect(broker.database_url) as connection:
                create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10"]), radius=5.0)

    alert = packets.alert(1, [(0, 61000.2)], history=False)
    alert["diaObject"] |= {"ra": 10.0, "dec": 10.0}
    plan = EnrichmentPlan([SkyMatching(broker.sky), Meddler(on_compute=change, reads=("watchlist_facts",))])
    broker.drain(packets.ListSource.of([packets.encode(alert)]), plan=plan)
    assert broker.value("SELECT count(*) FROM watchlist_facts") == 1
    assert broker.value("SELECT count(*) FROM watchlist_hits") == 1
    assert broker.value("SELECT revision FROM ingest_batch WHERE received > 0") == 1


def test_a_list_that_changes_just_before_the_commit_of_a_batch(broker: Any, packets: ModuleType) -> None:
    """The batch cannot know of it any more: its objects are found by the re-match, which waits for the batch."""
    waiting: list[Any] = []

    def change(_: Any) -> None:
        from concurrent.futures import ThreadPoolExecutor

        with engine.connect(broker.database_url) as connection:
            number = create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10"]), radius=5.0)

        def follow() -> Any:
            with engine.connect(broker.database_url, autocommit=True) as connection:
                return rematch(connection, "watchlist", number)

        pool = ThreadPoolExecutor(1)
        waiting.append(pool.submit(follow))
        pool.shutdown(wait=False)

    alert = packets.alert(1, [(0, 61000.2)], history=False)
    alert["diaObject"] |= {"ra": 10.0, "dec": 10.0}
    plan = EnrichmentPlan([SkyMatching(broker.sky), Meddler(on_write=change, reads=("watchlist_facts",))])
    broker.drain(packets.ListSource.of([packets.encode(alert)]), plan=plan)
    assert waiting[0].result(30).total == 1
    assert broker.value("SELECT count(*) FROM watchlist_hits") == 1
    assert broker.value("SELECT count(*) FROM watchlist_facts") == 0
    assert broker.value("SELECT revision FROM ingest_batch WHERE received > 0") == 0


def test_without_an_index_on_disk_nothing_is_missed(broker: Any, packets: ModuleType) -> None:
    """A run on a machine whose folder of indices is empty reads the lists from the database."""
    with engine.connect(broker.database_url) as connection:
        create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10"]), radius=5.0)
    assert not broker.sky.exists()
    alert = packets.alert(1, [(0, 61000.2)], history=False)
    alert["diaObject"] |= {"ra": 10.0, "dec": 10.0}
    broker.drain(packets.ListSource.of([packets.encode(alert)]))
    assert broker.value("SELECT count(*) FROM watchlist_facts") == 1


def test_a_change_costs_what_changed(broker: Any) -> None:
    """A cone more among many: only objects near it are looked at."""
    with engine.connect(broker.database_url) as connection:
        connection.execute(
            "INSERT INTO objects (diaobjectid, survey, ra, decl, healpix) SELECT n, 1, (n % 3600) / 10.0,"
            " (n / 3600) - 40.0, 0 FROM generate_series(1, 20000) AS n"
        )
        from broker_assets.sky.cells import cells_at

        rows = connection.execute("SELECT diaobjectid, ra, decl FROM objects ORDER BY 1").fetchall()
        cells = cells_at(np.array([row[1] for row in rows]), np.array([row[2] for row in rows]))
        connection.execute(
            "UPDATE objects SET healpix = cell FROM unnest(%s::bigint[], %s::bigint[]) AS new (id, cell)"
            " WHERE diaobjectid = id",
            ([row[0] for row in rows], cells.tolist()),
        )
        lines = [f"{row[1]}, {row[2]}, n{row[0]}" for row in rows[:5000]]
        number = create_watchlist(connection, "ann", "list", parse_watchlist(lines), radius=5.0)
        connection.commit()
        first = rematch(connection, "watchlist", number)
        assert (first.total, first.hits) == (5000, 5000)
        add_cones(connection, "ann", number, parse_watchlist([f"{rows[7000][1]}, {rows[7000][2]}, new"]))
        connection.commit()
        second = rematch(connection, "watchlist", number)
        assert second.total == 5001
        assert second.candidates < 10
