"""Moving lists: which cones follow from the notices of an event, forwards and against past objects."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from event_notices import TRIGGER, coincidence, einstein_probe, guano, icecube, svom, voevent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sky_lists import stored

from broker_assets.access.refusals import NotTheOwner
from broker_assets.database import engine
from broker_assets.provenance.revisions import current_revision
from broker_assets.settings import MovingListSettings
from broker_assets.sky.cells import cells_at
from broker_assets.sky.error_circles import ErrorCircle, EventNotice
from broker_assets.sky.event_notices import read_event_notice
from broker_assets.sky.in_force import lists_at
from broker_assets.sky.indices import refresh_cone_index
from broker_assets.sky.lists import delete_cones
from broker_assets.sky.moving_lists import (
    AppliedNotice,
    apply_event_notice,
    expire_event_cones,
    moving_watchlist,
)
from broker_assets.sky.notice_fields import mjd_tai
from broker_assets.sky.overview import summaries
from broker_assets.sky.rematch import lists_to_rematch, rematch

pytestmark = pytest.mark.database

Connection = psycopg.Connection[Any]
EVENT = datetime.datetime.fromisoformat(TRIGGER)
T0 = mjd_tai(EVENT)
NOW = EVENT + datetime.timedelta(days=1)
BURSTS = MovingListSettings(name="GCN bursts", topics=("bursts",), days_before=1.0, days_after=10.0)


def put(
    connection: Connection,
    content: bytes | EventNotice,
    wanted: MovingListSettings = BURSTS,
    now: datetime.datetime = NOW,
) -> AppliedNotice:
    notice = read_event_notice(content) if isinstance(content, bytes) else content
    return apply_event_notice(connection, notice, wanted, topic="t", now=now)


def cones(connection: Connection, stream: str | None = None) -> list[tuple[Any, ...]]:
    """The cones that are matched, as the list has them; what `notice_events` says of them must agree."""
    rows = connection.execute(
        "SELECT cone.name, cone.ra, cone.decl, cone.radius, cone.mjd_since, cone.mjd_until, event.notice_type,"
        " event.trigger_tai, event.error_radius, event.containment, event.url, said.digest FROM watchlist_cones AS cone"
        " JOIN notice_events AS event USING (cone_id, wl_id, name, ra, decl, radius, mjd_since, mjd_until,"
        " revision_from) JOIN event_notices AS said USING (noticeid) WHERE event.revision_to IS NULL"
        " AND (%(stream)s::text IS NULL OR event.stream = %(stream)s) ORDER BY 1, 2, 3, 4",
        {"stream": stream},
    ).fetchall()
    [row] = connection.execute(
        "SELECT count(*) FROM watchlist_cones JOIN watchlists USING (wl_id) WHERE owner = 'system'"
    ).fetchall()
    assert stream is not None or row[0] == len(rows)
    return rows


def place(connection: Connection, number: int, ra: float, dec: float, mjd: float) -> None:
    """An object whose newest alert is of some time."""
    connection.execute(
        "INSERT INTO objects (diaobjectid, survey, ra, decl, healpix, lastdiasourcemjdtai)"
        " VALUES (%s, 1, %s, %s, %s, %s)",
        (number, ra, dec, int(cells_at(np.array([ra]), np.array([dec]))[0]), mjd),
    )
    connection.commit()


def test_a_notice_becomes_a_cone_of_the_list_of_its_stream(connection: Connection) -> None:
    done = put(connection, einstein_probe())
    assert (done.stored, done.added, done.removed) == (True, 1, 0)
    [found] = summaries(connection, "watchlist")
    assert isinstance(found.id, int)
    assert (found.owner, found.name, found.public, found.hits) == ("system", "GCN bursts", True, 0)
    [cone] = cones(connection)
    assert cone[:6] == (
        "01709131337",
        150.25,
        -12.5,
        pytest.approx(180.0),
        pytest.approx(T0 - 1),
        pytest.approx(T0 + 10),
    )
    again = put(connection, einstein_probe())
    assert (again.stored, again.effect) == (False, "GCN bursts: 01709131337 initial is already known")
    with pytest.raises(NotTheOwner):
        delete_cones(connection, "ann", found.id, [1])


def test_past_and_new_alerts_are_hits_within_the_window_only(connection: Connection, tmp_path: Path) -> None:
    times = {1: T0 - 1.5, 2: T0 - 0.5, 3: T0, 4: T0 + 0.9}
    for number, mjd in times.items():
        place(connection, number, 150.25, -12.5 + 0.01 * number, mjd)
    place(connection, 5, 150.25, -13.0, T0)
    put(connection, einstein_probe())
    [(kind, watchlist, _)] = lists_to_rematch(connection)
    rematch(connection, kind, watchlist)  # type: ignore[arg-type]
    hits = {number for number, _ in stored(connection, "watchlist_hits", "cone_id")}
    assert hits == {2, 3, 4}
    # forwards, from the database alone and from an index on disk
    connection.commit()
    for folder in (tmp_path / "none", tmp_path / "index"):
        if folder.name == "index":
            refresh_cone_index(connection, folder / "cones")
        lists = lists_at(connection, folder, current_revision(connection))
        at = np.array([T0 - 1.001, T0 - 0.999, T0 + 9.999, T0 + 10.001, np.nan])
        found = lists.match(np.full(5, 150.25), np.full(5, -12.5), at).cones
        assert found["row"].to_pylist() == [1, 2]
        assert found["wl_id"].to_pylist() == [watchlist] * 2
    # what filters read: the event of a hit, with its time
    rows = connection.execute(
        "SELECT DISTINCT event.stream, event.name, event.trigger_tai FROM watchlist_hits AS hit"
        " JOIN notice_events AS event USING (cone_id)"
    ).fetchall()
    assert rows == [("GCN bursts", "01709131337", pytest.approx(T0, abs=1e-8))]


def test_updates_replace_and_a_retraction_removes_and_the_past_stays_known(
    connection: Connection, tmp_path: Path
) -> None:
    put(connection, icecube(1))
    first = current_revision(connection)
    done = put(connection, icecube(2, "update", ra=346.0, ra_dec_error=[0.4, 0.3, 20]))
    assert (done.added, done.removed) == (1, 1)
    second = current_revision(connection)
    [cone] = cones(connection)
    assert (cone[0], cone[1], cone[3], cone[6]) == ("IceCube-261128A", 346.0, pytest.approx(1440.0), "update")
    done = put(connection, icecube(3, "retraction"))
    assert (done.added, done.removed, done.effect) == (
        0, 1, "GCN bursts: IceCube-261128A retraction: 1 cone removed; it was retracted",
    )  # fmt: skip
    assert cones(connection) == []
    ended = connection.execute("SELECT ra, ended FROM notice_events ORDER BY cone_id").fetchall()
    assert ended == [(345.1, "replaced"), (346.0, "retracted")]
    for revision, ra in ((first, 345.1), (second, 346.0)):
        lists = lists_at(connection, tmp_path, revision)
        held = lists.match(np.array([345.1, 346.0]), np.full(2, 9.5), np.full(2, T0)).cones["row"].to_pylist()
        assert [(345.1, 346.0)[row] for row in held] == [ra]


def test_a_notice_after_a_retraction_brings_the_event_back(connection: Connection) -> None:
    for content in (svom(minute=2), svom(packet=219, minute=5), svom("mxt-position", minute=9)):
        put(connection, content)
    assert len(cones(connection)) == 1


def test_the_newest_position_counts_whatever_instrument_gave_it(connection: Connection) -> None:
    put(
        connection,
        voevent("ivo://nasa.gsfc.gcn/SWIFT#BAT_GRB_Pos_1299999-1", error="0.05", issued="2026-11-28T21:46:20"),
    )
    put(connection, voevent(error="0.0014"))
    put(
        connection,
        voevent("ivo://nasa.gsfc.gcn/SWIFT#UVOT_Pos_1299999-1", error="0.0001", issued="2026-11-28T22:10:00"),
    )
    [cone] = cones(connection)
    assert cone[3] == 2.0  # the smallest radius of the list; the issuer's is 0.36
    assert cone[8] == pytest.approx(0.36)


def test_an_update_without_a_position_leaves_the_cone(connection: Connection) -> None:
    put(connection, guano(1, "initial"))
    assert cones(connection) == []
    put(connection, guano(2, ra=336.2, dec=25.1, ra_dec_error=0.05))
    before = cones(connection)
    done = put(connection, guano(3))
    assert (done.stored, done.added, done.removed) == (True, 0, 0)
    assert cones(connection) == before
    assert len(before) == 1


def test_a_cone_is_kept_while_all_that_is_said_of_it_stays(connection: Connection) -> None:
    put(connection, icecube(1))
    [before] = connection.execute("SELECT cone_id FROM watchlist_cones").fetchall()
    put(connection, icecube(2, far=1e-8, nu_energy=200.0))
    assert connection.execute("SELECT cone_id FROM watchlist_cones").fetchall() == [before]
    put(connection, icecube(3, "update"))
    assert connection.execute("SELECT cone_id FROM watchlist_cones").fetchall() != [before]
    assert cones(connection)[0][6] == "update"


def test_large_circles_are_kept_without_a_cone_and_the_reason_is_said(connection: Connection) -> None:
    put(connection, icecube(1))
    done = put(connection, icecube(2, "update", ra_dec_error=8.3))
    assert cones(connection) == []
    assert "8.3 deg exceeds 3 deg" in done.effect
    fermi = voevent("ivo://nasa.gsfc.gcn/Fermi#GBM_Gnd_Pos", trigger="812345", error="2.5")
    assert "3.55 deg exceeds" in put(connection, fermi).effect  # the error is one sigma
    wide = MovingListSettings(name="wide", topics=("t",), largest_radius=20.0, containment=0.5)
    put(connection, fermi, wide)
    [cone] = cones(connection)
    assert cone[3] == pytest.approx(2.5 * 3600 * np.sqrt(np.log(0.5) / np.log(0.32)))


def test_the_probability_in_the_notices_can_be_set(connection: Connection) -> None:
    wanted = MovingListSettings(name="sigma", topics=("t",), containment_given=0.393469340287)
    put(connection, einstein_probe(), wanted)
    assert cones(connection)[0][3] == pytest.approx(180.0 * np.sqrt(2 * np.log(10)))


def test_neutrinos_near_a_merger_are_cones_of_one_event(connection: Connection) -> None:
    assert put(connection, coincidence(3)).added == 3
    assert [row[0] for row in cones(connection)] == [f"S261128ab 141235_{number}" for number in range(3)]


def test_tests_make_no_cone_and_end_none(connection: Connection) -> None:
    put(connection, icecube(1))
    put(connection, icecube(2, "retraction", alert_tense="test"))
    put(connection, voevent(role="test"))
    assert [row[0] for row in cones(connection)] == ["IceCube-261128A"]
    assert connection.execute("SELECT count(*) FROM event_notices WHERE kind = 'test'").fetchone() == (2,)


def test_a_cone_ends_with_its_window_and_late_notices_make_none(connection: Connection) -> None:
    place(connection, 1, 150.25, -12.5, T0)
    put(connection, einstein_probe())
    watchlist = moving_watchlist(connection, BURSTS)
    rematch(connection, "watchlist", watchlist)
    assert len(stored(connection, "watchlist_hits", "cone_id")) == 1
    assert expire_event_cones(connection, EVENT + datetime.timedelta(days=9.99)) == 0
    later = EVENT + datetime.timedelta(days=10.01)
    assert expire_event_cones(connection, later) == 1
    assert expire_event_cones(connection, later) == 0
    rematch(connection, "watchlist", watchlist)
    assert stored(connection, "watchlist_hits", "cone_id") == set()
    assert connection.execute("SELECT ended FROM notice_events").fetchall() == [("expired",)]
    late = put(connection, einstein_probe(ra=151.0), now=later)
    assert (late.stored, late.added) == (True, 0)
    assert "10 days have passed" in late.effect


TIMES = st.one_of(st.none(), st.integers(0, 3).map(lambda hour: EVENT + datetime.timedelta(hours=hour)))
CIRCLES = st.lists(
    st.builds(
        ErrorCircle, st.sampled_from([10.0, 11.0]), st.just(5.0), st.sampled_from([0.1, 1.0, 50.0]),
        st.sampled_from([0.68, 0.9]), st.sampled_from(["", "b"]),
    ),
    max_size=2,
).map(tuple)  # fmt: skip
NOTICES = st.builds(
    EventNotice, st.just("event"), st.sampled_from(["initial", "update", "update", "retraction", "test"]),
    st.sampled_from(["event", "GRB 261128A"]), TIMES, st.integers(0, 2), st.just(EVENT), CIRCLES, st.none(),
    st.sampled_from([None, "https://example.org"]),
)  # fmt: skip
_LISTS = itertools.count()


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_the_notices_ends_in_the_same_state(database_url: str, data: st.DataObject) -> None:
    """Duplicates, updates before the first notice, late notices, and expiry in between."""
    notices = data.draw(st.lists(NOTICES, min_size=1, max_size=5))
    order = data.draw(st.permutations([*notices, *data.draw(st.lists(st.sampled_from(notices), max_size=2))]))
    states = []
    with engine.connect(database_url, autocommit=True) as connection:
        for sequence in (notices, order):
            wanted = BURSTS.model_copy(update={"name": f"list {next(_LISTS)}"})
            for number, notice in enumerate(sequence):
                put(connection, notice, wanted)
                if number == 1:
                    expire_event_cones(connection, NOW)
            states.append(cones(connection, wanted.name))
            put(connection, EventNotice("event", "retraction", "event"), wanted)
            assert cones(connection, wanted.name) == []
    assert states[0] == states[1]
