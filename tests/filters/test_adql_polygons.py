"""Regions of ADQL give the rows that other geometry gives: angles around a position, and sampled sides."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import psycopg
import pytest
from astropy.io.votable import parse_single_table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from broker_assets.database.engine import connect
from broker_assets.database.table_formats import encode
from broker_assets.filters import adql_polygons
from broker_assets.filters.tap import run
from broker_assets.filters.tap_uploads import Upload, UploadedColumn
from broker_assets.sky.cells import cells_at
from broker_assets.sky.separation import separation

pytestmark = pytest.mark.database
Array = NDArray[np.float64]
POINTS = 400
FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Any:
    with connect(module_database_url, autocommit=True) as opened:
        yield opened


def vectors(ra: Array, dec: Array) -> Array:
    ra, dec = np.radians(ra), np.radians(dec)
    return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def degrees(vector: Array) -> tuple[Array, Array]:
    return np.degrees(np.arctan2(vector[:, 1], vector[:, 0])) % 360, np.degrees(np.arcsin(np.clip(vector[:, 2], -1, 1)))


def around(random: np.random.Generator, ra: float, dec: float, distance: Array, angle: Array) -> tuple[Array, Array]:
    """Positions at distances (degrees) and angles (radians) from a centre."""
    centre = vectors(np.array([ra]), np.array([dec]))[0]
    east = np.array([-np.sin(np.radians(ra)), np.cos(np.radians(ra)), 0.0])
    far = np.radians(distance)[:, None]
    aside = np.cos(angle)[:, None] * east + np.sin(angle)[:, None] * np.cross(centre, east)
    return degrees(np.cos(far) * centre + np.sin(far) * aside)


def rows(connection: psycopg.Connection[Any], condition: str, ra: Array, dec: Array) -> NDArray[np.bool_]:
    """Which positions, uploaded as a table, fulfil a condition."""
    columns = (UploadedColumn("n", "INT", list(range(len(ra)))), UploadedColumn("ra", "DOUBLE PRECISION", ra.tolist()),
               UploadedColumn("decl", "DOUBLE PRECISION", dec.tolist()))  # fmt: skip
    query = f"SELECT n FROM tap_upload.mine WHERE {condition}"
    found = run(connection, query, limit=len(ra), seconds=10, uploads={"mine": Upload(columns)})
    inside = np.zeros(len(ra), bool)
    inside[np.asarray(found.table["n"].to_numpy(), int)] = True
    return inside


def wound(ra: Array, dec: Array, corner_ra: Array, corner_dec: Array) -> NDArray[np.bool_]:
    """Whether the corners, seen from a position, go once around it; for positions near the polygon."""
    points, corners = vectors(ra, dec), vectors(corner_ra, corner_dec)
    east = np.column_stack([-np.sin(np.radians(ra)), np.cos(np.radians(ra)), np.zeros(len(ra))])
    north = np.cross(points, east)
    azimuth = np.arctan2(east @ corners.T, north @ corners.T)
    turned = np.diff(np.column_stack([azimuth, azimuth[:, :1]]), axis=1)
    turned = (turned + np.pi) % (2 * np.pi) - np.pi
    return np.asarray(np.abs(turned.sum(axis=1)) > np.pi)


places = st.tuples(st.floats(0, 359.99), st.sampled_from([-90.0, -88.0, -30.0, 0.0, 41.8, 89.5]))


@FEW
@given(places, st.integers(3, 40), st.floats(0.01, 60), st.integers(0, 2**32 - 1), st.booleans())
def test_polygons_of_any_form(
    connection: psycopg.Connection[Any], place: tuple[float, float], number: int, size: float, seed: int, back: bool
) -> None:
    random = np.random.default_rng(seed)
    angle = np.sort(random.uniform(0, 1, number) * 0.8 + np.arange(number)) / number * 2 * np.pi
    corner_ra, corner_dec = around(random, *place, size * random.uniform(0.2, 1, number), angle)
    step = -1 if back else 1
    ra, dec = around(random, *place, 1.2 * size * np.sqrt(random.uniform(0, 1, POINTS)), random.uniform(0, 7, POINTS))
    numbers = np.column_stack([corner_ra, corner_dec])[::step].ravel()
    text = "POLYGON(" + ", ".join(repr(float(value)) for value in numbers) + ")"
    expected = wound(ra, dec, corner_ra, corner_dec)
    assert (rows(connection, f"1 = CONTAINS(POINT(ra, decl), {text})", ra, dec) == expected).all()
    assert (rows(connection, f"0 = CONTAINS(POINT(ra, decl), {text})", ra, dec) != expected).all()
    far = rows(connection, f"1 = CONTAINS(POINT(ra, decl), {text})", (ra + 180) % 360, -dec)
    assert not far.any()
    cells = adql_polygons.ranges(adql_polygons.polygon(numbers.tolist()))
    assert cells is not None
    low, high = np.array(cells)
    own = cells_at(ra[expected], dec[expected])
    assert (own < high[np.searchsorted(low, own, side="right") - 1]).all()


@FEW
@given(places, st.floats(0.01, 170), st.floats(0.01, 170), st.integers(0, 2**32 - 1))
def test_boxes_at_fixed_and_at_moving_places(
    connection: psycopg.Connection[Any], place: tuple[float, float], width: float, height: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    reach = min(1.5 * np.hypot(width, height) / 2, 89.0)
    angle = random.uniform(0, 2 * np.pi, POINTS)
    distance = reach * np.sqrt(random.uniform(0, 1, POINTS))
    ra, dec = around(random, *place, distance, angle)
    # In the tangential plane a box has straight sides.
    aside, up = np.tan(np.radians(distance)) * np.cos(angle), np.tan(np.radians(distance)) * np.sin(angle)
    expected = (np.abs(aside) <= np.tan(np.radians(width / 2))) & (np.abs(up) <= np.tan(np.radians(height / 2)))
    centre = f"{place[0]!r}, {place[1]!r}"
    for at in (centre, f"POINT('ICRS', {centre})", ", ".join(f"{one} + 0 * ra" for one in centre.split(", "))):
        seen = rows(connection, f"1 = CONTAINS(POINT(ra, decl), BOX({at}, {width!r}, {height!r}))", ra, dec)
        assert (seen == expected).all()


@FEW
@given(places, st.floats(0.1, 40), st.floats(0.05, 0.9), st.integers(0, 2**32 - 1))
def test_circles_that_meet_polygons_or_are_inside(
    connection: psycopg.Connection[Any], place: tuple[float, float], size: float, part: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    angle = (np.arange(9) + random.uniform(0, 0.8, 9)) / 9 * 2 * np.pi
    corner_ra, corner_dec = around(random, *place, size * random.uniform(0.3, 1, 9), angle)
    ra, dec = around(random, *place, 2 * size * np.sqrt(random.uniform(0, 1, 60)), random.uniform(0, 7, 60))
    corners = vectors(corner_ra, corner_dec)
    share = np.linspace(0, 1, 400)[:, None]
    sides = np.concatenate([(1 - share) * corners[place - 1] + share * corners[place] for place in range(9)])
    side_ra, side_dec = degrees(sides / np.linalg.norm(sides, axis=1, keepdims=True))
    nearest = np.array([separation(one, two, side_ra, side_dec).min() / 3600 for one, two in zip(ra, dec, strict=True)])
    radius = part * size
    sure = np.abs(nearest - radius) > 0.01 * size
    inside, near = wound(ra, dec, corner_ra, corner_dec), nearest < radius
    text = (
        "POLYGON(" + ", ".join(repr(float(value)) for value in np.column_stack([corner_ra, corner_dec]).ravel()) + ")"
    )
    circle = f"CIRCLE(ra, decl, {radius!r})"
    assert ((rows(connection, f"1 = CONTAINS({circle}, {text})", ra, dec) == (inside & ~near)) | ~sure).all()
    for pair in (f"{circle}, {text}", f"{text}, {circle}"):
        assert ((rows(connection, f"1 = INTERSECTS({pair})", ra, dec) == (inside | near)) | ~sure).all()
    farthest = np.array([separation(one, two, corner_ra, corner_dec).max() for one, two in zip(ra, dec, strict=True)])
    held = rows(connection, f"1 = CONTAINS({text}, {circle})", ra, dec)
    assert (held == (farthest <= radius * 3600)).all()


def test_polygons_in_polygons() -> None:
    """Against positions that are in both: of random pairs, the second smaller and smaller."""
    random = np.random.default_rng(8)
    seen = set()
    for number in range(60):
        place = (float(random.choice([0.0, 200.0])), float(random.choice([-88.0, 0.0, 41.8])))
        near = around(random, *place, random.uniform(0, 6, 1), random.uniform(0, 7, 1))
        other = (float(near[0][0]), float(near[1][0]))
        pairs = []
        for centre, size in ((place, 5.0), (other, 5.0 / (1 + number % 6))):
            angle = (np.arange(7) + random.uniform(0, 0.8, 7)) / 7 * 2 * np.pi
            pairs.append(around(random, *centre, size * random.uniform(0.3, 1, 7), angle))
        ra, dec = around(random, *other, 5 * np.sqrt(random.uniform(0, 1, 20_000)), random.uniform(0, 7, 20_000))
        first, second = (wound(ra, dec, *pair) for pair in pairs)
        one, two = (adql_polygons.polygon(np.column_stack(pair).ravel().tolist()) for pair in pairs)
        meet, inside = adql_polygons.meets(one, two), adql_polygons.within(two, one)
        assert adql_polygons.meets(two, one) == meet
        assert meet or not (first & second).any()  # positions may miss what is small; we may not
        assert inside or (second & ~first).any()
        assert not inside or not (second & ~first).any()
        assert not meet or (first & second).any() or not inside
        assert adql_polygons.within(one, one)
        seen.add((meet, inside))
    assert seen == {(False, False), (True, False), (True, True)}


def test_polygons_that_touch() -> None:
    square = adql_polygons.polygon([0, 0, 2, 0, 2, 2, 0, 2])
    notched = adql_polygons.polygon([0, 0, 4, 0, 4, 4, 3, 4, 2, 1, 1, 4, 0, 4])
    assert adql_polygons.meets(square, adql_polygons.polygon([2, 0, 4, 0, 4, 2]))
    assert not adql_polygons.meets(square, adql_polygons.polygon([2.001, 0, 4, 0, 4, 2]))
    assert not adql_polygons.within(adql_polygons.polygon([1, 4, 3, 4, 2, 3.9]), notched)  # between its horns
    assert adql_polygons.within(adql_polygons.polygon([0, 0, 4, 0, 2, 1]), notched)
    assert not adql_polygons.meets(square, adql_polygons.polygon([180, 0, 182, 0, 182, -2, 180, -2]))


def test_points_and_regions_are_columns(connection: psycopg.Connection[Any]) -> None:
    corners = "0, 0, 1, 0, 1, 1"
    query = (
        "SELECT POINT(10 + 0.5, -2), CIRCLE(POINT(1, 2), 0.25) AS \"C\", POLYGON('ICRS', 0, 0, 1, 0, 1, 1) p,"
        f" BOX(10, 0, 2, 2) AS b, POINT(NULL, 1) AS n FROM tap_schema.schemas"
        f" WHERE 1 = CONTAINS(POLYGON({corners}), BOX(0, 0, 3, 3)) AND"
        f" 0 = INTERSECTS(BOX(9, 9, 1, 1), POLYGON({corners}))"
    )
    found = run(connection, query, limit=1, seconds=10).table
    row = found.to_pylist()[0]
    assert (row["point"], row["C"], row["p"], row["n"]) == ("10.5 -2", "1 2 0.25", "0 0 1 0 1 1", None)
    assert np.array(row["b"].split(), float)[::2] == pytest.approx([9.0, 11.0, 11.0, 9.0])
    votable = b"".join(encode(found.to_batches(), found.schema, "votable"))
    read = parse_single_table(io.BytesIO(votable))
    assert [(one.name, one.xtype, one.arraysize, str(one.unit)) for one in read.fields[:3]] == [
        ("point", "point", "2", "deg"), ("C", "circle", "3", "deg"), ("p", "polygon", "*", "deg"),
    ]  # fmt: skip
    assert read.array["C"][0].tolist() == [1, 2, 0.25]


def test_areas_and_centroids(connection: psycopg.Connection[Any]) -> None:
    concave = "POLYGON(10, 0, 12, 0, 12, 2, 11, 0.5, 10, 2)"
    numbers = [10, 0, 12, 0, 12, 2, 11, 0.5, 10, 2]
    random = np.random.default_rng(1)
    dec = np.degrees(np.arcsin(random.uniform(0, np.sin(np.radians(2.01)), 200_000)))
    ra = random.uniform(10, 12, 200_000)
    inside = wound(ra, dec, np.array(numbers[::2], float), np.array(numbers[1::2], float))
    query = (
        f"SELECT AREA({concave}) AS a, COORD1(CENTROID({concave})) AS x, COORD2(CENTROID({concave})) AS y,"
        " AREA(BOX(5, 80, 20, 10)) AS box, COORD2(CENTROID(BOX(5, 80, 20, 10))) AS d, COORDSYS(POINT(1, 2)) AS s"
        " FROM tap_schema.schemas"
    )
    found = run(connection, query, limit=1, seconds=10).table.to_pylist()[0]
    whole = 2 * np.sin(np.radians(2.01)) * np.degrees(1)
    assert found["a"] == pytest.approx(inside.mean() * whole, rel=0.01)
    assert found["x"] == pytest.approx(ra[inside].mean(), abs=0.01)
    assert found["y"] == pytest.approx(dec[inside].mean(), abs=0.01)
    assert found["box"] == pytest.approx(adql_polygons.area(adql_polygons.box(5, 80, 20, 10)))
    assert (found["d"], found["s"]) == (80, "ICRS")


def test_the_even_odd_rule_where_sides_cross(connection: psycopg.Connection[Any]) -> None:
    star = [(90 + 144 * step) for step in range(5)]
    corners = ", ".join(f"{10 + np.cos(np.radians(one)):.6f}, {np.sin(np.radians(one)):.6f}" for one in star)
    seen = rows(connection, f"1 = CONTAINS(POINT(ra, decl), POLYGON({corners}))", np.array([10.0, 10.0]),
                np.array([0.0, 0.8]))  # fmt: skip
    assert seen.tolist() == [False, True]  # the middle is enclosed twice


def test_a_hundred_vertices(connection: psycopg.Connection[Any]) -> None:
    angle = np.arange(100) / 100 * 2 * np.pi
    size = np.where(np.arange(100) % 2, 1.0, 0.5)
    numbers = ", ".join(
        f"{10 + a:.9f}, {b:.9f}" for a, b in zip(size * np.cos(angle), size * np.sin(angle), strict=True)
    )
    ra, dec = np.array([10.0, 10.49, 10.75, 11.1]), np.array([0.0, 0.0, 0.0, 0.0])
    assert rows(connection, f"1 = CONTAINS(POINT(ra, decl), POLYGON({numbers}))", ra, dec).tolist() == [
        True, True, False, False,
    ]  # fmt: skip
