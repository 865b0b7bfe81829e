"""Links between objects of different surveys against brute force over the sphere, in any order of arrival."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from stored_points import FIRST, NOON

from broker_assets.accounting.facts import NightRows
from broker_assets.database import engine
from broker_assets.database.tables import diasources, objects
from broker_assets.sky import object_links
from broker_assets.sky.cells import cells_at
from broker_assets.sky.object_links import Placed, describe_night, link_night, members, pairs, version

NIGHTS = [(FIRST + datetime.timedelta(days=day)).isoformat() for day in range(3)]
RADIUS = 1.5


def unit(ra: Any, dec: Any) -> np.ndarray:
    """Unit vectors."""
    longitude, latitude = np.radians(ra), np.radians(dec)
    return np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
    )


def brute_force(one: Placed, other: Placed, radius: float) -> set[tuple[int, int]]:
    """Pairs by the chord between unit vectors, which is exact for small angles too."""
    chord = np.linalg.norm(unit(one.ra, one.dec)[:, None] - unit(other.ra, other.dec)[None], axis=-1)
    near = chord <= 2.0 * np.sin(np.radians(radius / 3600.0) / 2.0)
    near &= one.survey[:, None] != other.survey[None]
    return {(int(one.diaobjectid[a]), int(other.diaobjectid[b])) for a, b in zip(*np.nonzero(near), strict=True)}


CENTRES = [
    (0.0, 0.0),
    (359.99999, 12.0),
    (123.4, 90.0),
    (77.0, -90.0),
    (45.0, 41.8103),
    (0.0, -41.8103),
    (200.1, -33.3),
]
"""Around right ascension 0, at the poles, where base cells of HEALPix meet, and elsewhere."""


def around(random: np.random.Generator, count: int, radius: float, first: int = 1) -> Placed:
    """Objects within a few radii of some of the centres."""
    centre = np.array(CENTRES)[random.integers(0, len(CENTRES), count)]
    axis = unit(centre[:, 0], centre[:, 1])
    moved = axis + random.normal(0.0, np.radians(radius / 3600.0), (count, 3))
    moved /= np.linalg.norm(moved, axis=1)[:, None]
    ra, dec = np.degrees(np.arctan2(moved[:, 1], moved[:, 0])), np.degrees(np.arcsin(np.clip(moved[:, 2], -1, 1)))
    return Placed.of(first + np.arange(count), ra, dec, random.integers(1, 4, count))


@given(st.integers(0, 2**32), st.sampled_from([0.01, 0.5, 1.5, 60.0, 3600.0, 80_000.0]), st.integers(0, 60))
def test_pairs_are_those_of_brute_force(seed: int, radius: float, count: int) -> None:
    random = np.random.default_rng(seed)
    one, other = around(random, count, radius), around(random, count, radius, first=1000)
    first, second, arcsec = pairs(one, other, radius)
    found = {(int(one.diaobjectid[a]), int(other.diaobjectid[b])) for a, b in zip(first, second, strict=True)}
    assert len(found) == len(first)
    # At the edge itself the last digit decides.
    assert brute_force(one, other, radius * (1 - 1e-6)) <= found <= brute_force(one, other, radius * (1 + 1e-6))
    assert (arcsec <= radius).all()
    back = pairs(other, one, radius)
    assert {(int(one.diaobjectid[b]), int(other.diaobjectid[a])) for a, b in zip(*back[:2], strict=True)} == found


def test_the_radius_is_part_of_the_version() -> None:
    assert version(1.5) != version(2.0)
    with pytest.raises(ValueError, match="outside"):
        Placed.of([1], [0.0], [91.0], [1])


class Sky:
    """Objects in the database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.source = 0
        self.place: dict[int, tuple[float, float, int]] = {}

    def alert(self, placed: Placed, night: str) -> None:
        """Alerts of objects in a night, at these positions."""
        rows, sources = [], []
        columns = (placed.diaobjectid, placed.ra, placed.dec, placed.survey, cells_at(placed.ra, placed.dec))
        for identifier, ra, dec, survey, cell in zip(*(column.tolist() for column in columns), strict=True):
            self.source += 1
            self.place[identifier] = (ra, dec, survey)
            day = datetime.date.fromisoformat(night)
            rows.append(
                {"diaobjectid": identifier, "ra": ra, "decl": dec, "survey": survey, "healpix": cell, "night": day}
            )
            sources.append(
                {"diaobjectid": identifier, "diasourceid": self.source, "survey": survey, "night": day,
                 "midpointmjdtai": NOON + (day - FIRST).days + 0.3, "archivefileid": 1}
            )  # fmt: skip
        with engine.engine(self.url).begin() as connection:
            connection.execute(
                sa.delete(objects).where(objects.c.diaobjectid.in_([row["diaobjectid"] for row in rows]))
            )
            if rows:
                connection.execute(sa.insert(objects), rows)
                connection.execute(sa.insert(diasources), sources)

    def link(self, night: str) -> NightRows:
        """Link a night."""
        with engine.connect(self.url) as connection:
            return link_night(connection, night, RADIUS)

    def stored(self) -> dict[tuple[int, int], tuple[Any, ...]]:
        """Links with what they say."""
        with engine.connect(self.url) as connection:
            now, held = (
                connection.execute(f"SELECT diaobjectid, linkedid, arcsec, survey, linkedsurvey FROM {rows}").fetchall()
                for rows in ("object_link", "object_link_history WHERE revision_to IS NULL")
            )
            assert sorted(now) == sorted(held)
            return {(one, other): tuple(rest) for one, other, *rest in now}

    def expected(self) -> set[tuple[int, int]]:
        """Links by brute force."""
        columns = list(zip(*((identifier, *place) for identifier, place in self.place.items()), strict=True))
        everything = Placed.of(*columns)
        return brute_force(everything, everything, RADIUS)

    def connect(self) -> psycopg.Connection[Any]:
        """A connection."""
        return engine.connect(self.url)


@pytest.fixture
def sky(database_url: str) -> Sky:
    return Sky(database_url)


@pytest.mark.database
@pytest.mark.parametrize("seed", range(4))
def test_links_do_not_depend_on_the_order_of_arrival(sky: Sky, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects arrive and move in any night; nights whose rows changed are linked, some late, some twice."""
    random = np.random.default_rng(seed)
    monkeypatch.setattr(object_links, "OBJECTS", int(random.integers(1, 50)))
    waiting: set[str] = set()
    for _ in range(6):
        placed = around(random, 40, RADIUS)
        chosen = random.permutation(40)[: random.integers(0, 40)]
        night = NIGHTS[random.integers(0, 3)]
        surveys = np.array([sky.place.get(int(one), (0, 0, code))[2]
                            for one, code in zip(placed.diaobjectid, placed.survey, strict=True)])  # fmt: skip
        some = Placed(placed.diaobjectid[chosen], placed.ra[chosen], placed.dec[chosen], surveys[chosen])
        sky.alert(some, night)
        waiting.add(night)
        if random.random() < 0.6:
            done = str(random.choice(sorted(waiting)))
            sky.link(done)
            waiting.discard(done)
    for night in random.permutation(sorted(waiting)):
        sky.link(str(night))
    found = sky.stored()
    assert set(found) == sky.expected()
    for (one, other), (arcsec, survey, linkedsurvey) in found.items():
        assert found[other, one] == (arcsec, linkedsurvey, survey)
        assert (survey, linkedsurvey) == (sky.place[one][2], sky.place[other][2])
        assert 0 <= arcsec <= RADIUS


def four(dec: list[float]) -> Placed:
    """Objects 1 to 4 on one meridian."""
    return Placed.of([1, 2, 3, 4], [10.0] * 4, dec, [1, 2, 1, 2])


@pytest.mark.database
def test_a_source_is_all_that_links_connect(sky: Sky) -> None:
    sky.alert(four([0.0, 1.0 / 3600, 2.0 / 3600, 9.0]), NIGHTS[0])
    made = sky.link(NIGHTS[0])
    assert (made.objects, made.rows) == (4, 4)
    with sky.connect() as connection:
        for asked in (1, 2, 3):
            found = members(connection, asked)
            assert found[0].diaobjectid == asked
            assert {one.diaobjectid for one in found} == {1, 2, 3}
        assert [(one.diaobjectid, one.survey) for one in members(connection, 4)] == [(4, 2)]
        assert members(connection, 99) == []
        shown = describe_night(connection, NIGHTS[0])
    assert shown == {"surveys 1 and 2": {"pairs": 2, "median (arcsec)": 1.0, "largest": 1.0}}


@pytest.mark.database
def test_the_same_again_has_the_same_version_and_a_move_another(sky: Sky) -> None:
    sky.alert(four([0.0, 1.0 / 3600, 9.0, 9.0 + 1.0 / 3600]), NIGHTS[0])
    first = sky.link(NIGHTS[0])
    assert sky.link(NIGHTS[0]) == first
    assert first.rows == 4
    sky.alert(Placed.of([2], [10.0], [9.0], [2]), NIGHTS[1])
    assert sky.link(NIGHTS[1]).rows == 2
    assert set(sky.stored()) == {(2, 3), (3, 2), (3, 4), (4, 3)}
    assert sky.link(NIGHTS[0]).data_version != first.data_version
    assert sky.link(NIGHTS[2]) == NightRows(0, 0, 0)


@pytest.mark.database
def test_links_of_objects_that_have_gone_go(sky: Sky) -> None:
    sky.alert(four([0.0, 1.0 / 3600, 9.0, 9.0]), NIGHTS[0])
    sky.link(NIGHTS[0])
    with engine.engine(sky.url).begin() as connection:
        connection.execute(sa.text("DELETE FROM objects WHERE diaobjectid = 1"))
        connection.execute(sa.text("DELETE FROM diasources WHERE diaobjectid = 1"))
    sky.link(NIGHTS[0])
    assert set(sky.stored()) == {(3, 4), (4, 3)}
