"""Shapes against points: no point inside may be lost, none beyond a cell may be added."""

from __future__ import annotations

import math
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from mocpy import MOC
from numpy.typing import NDArray

from broker_assets.settings import InputLimits
from broker_assets.sky.areas import NotAnArea
from broker_assets.sky.shapes import FRAMES, Shapes

ORDER = 8
CELL = 0.25
"""Degrees; a cell of order 8 is 0.23 wide."""
BEYOND = 0.72
"""Degrees; the longest diagonal of a cell of order 8 is 0.48, and mocpy adds cells that only touch one of the shape."""

frames = st.sampled_from(sorted(FRAMES))
longitudes = st.floats(0, 360)
latitudes = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 89.9, 0.0]))
angles = st.floats(-720, 720)
seeds = st.integers(0, 2**32 - 1)


def around(frame: str, lon: float, lat: float, radius: float, seed: int, number: int = 3000) -> SkyCoord:
    """Points within a radius of a centre, in its frame; half of them anywhere there, half close to the centre."""
    random = np.random.default_rng(seed)
    distance = np.degrees(np.arccos(1 - random.uniform(0, 1 - math.cos(math.radians(radius)), number)))
    distance[::2] *= random.uniform(0, 1, len(distance[::2]))
    centre = SkyCoord(lon, lat, unit="deg", frame=FRAMES[frame])
    return centre.directional_offset_by(random.uniform(0, 360, number) * u.deg, distance * u.deg)


def check(moc: MOC, points: SkyCoord, depth: NDArray[np.float64], tolerance: float = 2e-4) -> None:
    """Compare a MOC with the depth of points inside a shape, degrees; negative outside."""
    icrs = points.icrs
    covered = moc.contains_lonlat(icrs.ra, icrs.dec)
    assert covered[depth > tolerance].all(), "points inside are lost"
    assert not covered[depth < -BEYOND].any(), "points far outside are covered"


def plane(points: SkyCoord, lon: float, lat: float, angle: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Coordinates in the tangential plane (degrees): across, and along a position angle; by astropy's offset frame."""
    frame = SkyCoord(lon, lat, unit="deg", frame=points.frame.name).skyoffset_frame(rotation=angle * u.deg)
    offset = points.transform_to(frame)
    x, y = offset.lon.to_value("rad"), offset.lat.to_value("rad")
    with np.errstate(divide="ignore", invalid="ignore"):
        # An offset frame has its meridian at the position angle; the tangential plane has straight great circles.
        across, along = np.tan(x), np.tan(y) / np.cos(x)
    behind = np.cos(x) * np.cos(y) <= 1e-3  # half of the sky has no place in the plane
    across[behind] = along[behind] = np.inf
    return np.degrees(across), np.degrees(along)


def corners_in_plane(
    frame: str, lon: float, lat: float, angle: float, x: NDArray[Any], y: NDArray[Any]
) -> NDArray[Any]:
    """Unit vectors, in a frame, of points in a tangential plane (radians)."""
    offset = SkyCoord(lon, lat, unit="deg", frame=FRAMES[frame]).skyoffset_frame(rotation=angle * u.deg)
    there = SkyCoord(np.arctan(x) * u.rad, np.arctan(y * np.cos(np.arctan(x))) * u.rad, frame=offset)
    vectors: NDArray[Any] = there.transform_to(FRAMES[frame]).cartesian.xyz.value.T
    return vectors


@given(frames, longitudes, latitudes, st.floats(0.01, 180), seeds)
def test_circles(frame: str, lon: float, lat: float, radius: float, seed: int) -> None:
    moc = Shapes(ORDER).circle(frame, lon, lat, radius)
    points = around(frame, lon, lat, min(180, 1.3 * radius + 1), seed)
    distance = points.separation(SkyCoord(lon, lat, unit="deg", frame=FRAMES[frame])).deg
    check(moc, points, radius - distance)


@given(frames, longitudes, latitudes, st.floats(0.01, 120), st.floats(0, 1), seeds)
def test_rings(frame: str, lon: float, lat: float, outer: float, part: float, seed: int) -> None:
    inner = outer * part * 0.99
    moc = Shapes(ORDER).ring(frame, lon, lat, inner, outer)
    points = around(frame, lon, lat, min(180, 1.3 * outer + 1), seed)
    distance = points.separation(SkyCoord(lon, lat, unit="deg", frame=FRAMES[frame])).deg
    depth = np.minimum(outer - distance, distance - inner)
    depth[(distance < inner) & (inner - distance < 4 * CELL)] = -CELL  # a hole is smaller by two cells
    check(moc, points, depth)


@given(frames, longitudes, latitudes, st.floats(0.01, 100), st.floats(0.01, 100), angles, seeds)
def test_boxes(frame: str, lon: float, lat: float, width: float, height: float, angle: float, seed: int) -> None:
    moc = Shapes(ORDER).box(frame, lon, lat, width, height, angle)
    points = around(frame, lon, lat, min(90, math.hypot(width, height) + 1), seed)
    across, along = plane(points, lon, lat, angle)
    half = [math.tan(math.radians(size / 2)) for size in (width, height)]
    inside = (np.abs(across) < math.degrees(half[0])) & (np.abs(along) < math.degrees(half[1]))
    x, y = half[0] * np.array([1, 1, -1, -1]), half[1] * np.array([1, -1, -1, 1])
    vectors = corners_in_plane(frame, lon, lat, angle, x, y)
    near = distance_to_sides(vectors, points.cartesian.xyz.value.T)
    check(moc, points, np.where(inside, near, -near))


@given(frames, longitudes, latitudes, st.floats(0.05, 60), st.floats(0.05, 60), angles, seeds)
def test_ellipses(frame: str, lon: float, lat: float, first: float, second: float, angle: float, seed: int) -> None:
    moc = Shapes(ORDER).ellipse(frame, lon, lat, first, second, angle)
    points = around(frame, lon, lat, min(89, 1.3 * max(first, second) + 1), seed)
    across, along = plane(points, lon, lat, angle)
    size = [math.degrees(math.tan(math.radians(axis))) for axis in (second, first)]
    inside = np.hypot(across / size[0], along / size[1]) < 1
    turn = np.linspace(0, 2 * np.pi, 4000)
    x, y = np.radians(size[0]) * np.sin(turn), np.radians(size[1]) * np.cos(turn)
    border = corners_in_plane(frame, lon, lat, angle, x, y)
    near = np.degrees(np.arccos(np.clip((points.cartesian.xyz.value.T @ border.T).max(axis=1), -1, 1)))
    check(moc, points, np.where(inside, near, -near), tolerance=1e-3)


@given(frames, longitudes, latitudes, st.floats(0.05, 85), st.integers(3, 9), seeds)
def test_polygons(frame: str, lon: float, lat: float, size: float, corners: int, seed: int) -> None:
    """Stars around a centre, in either sense: the reference is the sum of angles under which the sides are seen."""
    random = np.random.default_rng(seed)
    bearing = (np.arange(corners) + random.uniform(0, 0.4, corners)) * 360 / corners * (1 if seed % 2 else -1)
    centre = SkyCoord(lon, lat, unit="deg", frame=FRAMES[frame])
    made = centre.directional_offset_by(bearing * u.deg, random.uniform(0.4, 1, corners) * size * u.deg)
    corner = np.stack([made.spherical.lon.deg, made.spherical.lat.deg])
    points = around(frame, lon, lat, min(89, 1.2 * size + 1), seed)
    vectors = made.cartesian.xyz.value.T
    seen = points.cartesian.xyz.value.T
    inside = winding(vectors, seen)
    near = distance_to_sides(vectors, seen)
    if (vectors @ vectors.sum(axis=0) <= 0).any():
        with pytest.raises(NotAnArea, match="more than half"):
            Shapes(ORDER).polygon(frame, corner[0].tolist(), corner[1].tolist())
        return
    moc = Shapes(ORDER).polygon(frame, corner[0].tolist(), corner[1].tolist())
    check(moc, points, np.where(inside, near, -near))


def winding(corners: NDArray[Any], points: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the sides of a polygon go around points."""
    total = np.zeros(len(points))
    for first, second in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        a, b = np.cross(first, points), np.cross(second, points)
        total += np.arctan2((np.cross(a, b) * points).sum(1), (a * b).sum(1))
    return np.abs(total) > np.pi


def distance_to_sides(corners: NDArray[Any], points: NDArray[Any]) -> NDArray[np.float64]:
    """Degrees to the nearest of many points on the sides."""
    steps = np.linspace(0, 1, 200)[:, None]
    sides = [a + steps * (b - a) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    dense = np.concatenate(sides)
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    return np.degrees(np.arccos(np.clip((points @ dense.T).max(axis=1), -1, 1)))


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("kind", "values", "reason"),
    [
        ("circle", (10, 20, 0), "radius"),
        ("circle", (10, 20, 180.1), "radius"),
        ("circle", (10, 20, NAN), "radius"),
        ("circle", (10, 91, 1), "declination"),
        ("circle", (NAN, 1, 1), "not finite"),
        ("circle", (1e9, 1, 1), "right ascension"),
        ("ring", (10, 20, 2, 2), "outer"),
        ("ring", (10, 20, -1, 2), "outer"),
        ("ring", (10, 20, 1, NAN), "outer"),
        ("ellipse", (10, 20, 1, 90, 0), "semi-axis"),
        ("ellipse", (10, 20, 1, 2, INF), "angle"),
        ("box", (10, 20, 0, 1), "side"),
        ("box", (10, 20, 180, 1), "side"),
        ("box", (10, 20, 1, 1, NAN), "angle"),
        ("polygon", ([10, 20, 30], [0, 0, 0]), "one great circle"),
        ("polygon", ([0, 90, 180, 270], [0, 0, 0, 0]), "one great circle"),
        ("polygon", ([5, 5, 5, 5], [1, 7, 3, -20]), "one great circle"),
        ("polygon", ([0, 120, 240], [-1, -1, 1]), "more than half"),
        ("polygon", ([10, 20, 10, 20], [0, 0, 0, 0]), "three different"),
        ("polygon", ([10, 20, 20], [0, 0, NAN]), "not finite"),
    ],
)
def test_shapes_without_an_area_are_refused(kind: str, values: tuple[Any, ...], reason: str) -> None:
    with pytest.raises(NotAnArea, match=reason):
        getattr(Shapes(ORDER), kind)("ICRS", *values)


def test_limits_are_those_of_the_whole_region() -> None:
    shapes = Shapes(5, InputLimits(region_shapes=2))
    shapes.circle("ICRS", 1, 2, 3)
    shapes.everything()
    with pytest.raises(NotAnArea, match="BROKER_LIMITS__REGION_SHAPES"):
        shapes.operator()
    shapes = Shapes(5, InputLimits(region_corners=7))
    shapes.polygon("ICRS", [1, 2, 3, 4], [4, 5, 5, 4])
    with pytest.raises(NotAnArea, match="BROKER_LIMITS__REGION_CORNERS"):
        shapes.polygon("ICRS", [1, 2, 3, 4], [4, 5, 5, 4])
    for order in (20, 29):
        with pytest.raises(NotAnArea, match="choose a lower order"):
            Shapes(order).circle("ICRS", 1, 2, 30)
    assert Shapes(29).circle("ICRS", 1, 2, 1e-6).max_order == 29
    assert Shapes(13).circle("ICRS", 1, 2, 90).sky_fraction == pytest.approx(0.5, abs=1e-3)
