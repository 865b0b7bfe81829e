"""Names of columns: known, ignored, or a reason to refuse the file."""

from __future__ import annotations

import pytest

from broker_assets.sky.watchlist_columns import UnknownColumns, columns_of


@pytest.mark.parametrize(
    ("names", "places", "unit"),
    [
        (["ra", "dec"], (0, 1, None, None), ""),
        (["Dec", "RA"], (1, 0, None, None), ""),
        (["name", "ra", "dec", "id"], (1, 2, 0, None), ""),
        (["id", "ra", "dec", "name"], (1, 2, 3, None), ""),
        (["id", "ra", "dec"], (1, 2, 0, None), ""),
        (["_RAJ2000", "_DEJ2000", "z", "radius"], (0, 1, None, 3), ""),
        (["ra", "ra_error", "dec", "dec_error"], (0, 2, None, None), ""),
        (["Right Ascension", "Declination"], (0, 1, None, None), ""),
        (["RA [deg]", "Dec (degrees)"], (0, 1, None, None), "degrees"),
        (["ra(hms)", "dec(dms)"], (0, 1, None, None), "hours"),
        (["ra", "dec", "radius", "petro_radius", "ra_rad", "radial_velocity"], (0, 1, None, 2), ""),
    ],
)
def test_places(names: list[str], places: tuple[int | None, ...], unit: str) -> None:
    columns = columns_of(names)
    assert columns is not None
    assert (columns.ra, columns.dec, columns.name, columns.radius) == places
    assert columns.ra_unit == unit


@pytest.mark.parametrize("name", ["ra_hours", "RA (h)", "RA[hours]", "ra_h"])
def test_hours(name: str) -> None:
    columns = columns_of([name, "dec"])
    assert columns is not None
    assert columns.ra_unit == "hours"


@pytest.mark.parametrize(("name", "unit"), [("radius", 1.0), ("radius_arcmin", 60.0), ("Radius (deg)", 3600.0)])
def test_units_of_the_radius(name: str, unit: float) -> None:
    columns = columns_of(["ra", "dec", name])
    assert columns is not None
    assert columns.radius_unit == unit


@pytest.mark.parametrize("first", [["10.5", "-3.25"], ["1", "NGC"], ["NGC 1", "10.5", "3"], ["ten"], [""], ["", ""]])
def test_lines_without_names(first: list[str]) -> None:
    assert columns_of(first) is None


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["lon", "lat"], "call them ra and dec"),
        (["l", "b", "name"], "call them ra and dec"),
        (["name", "x"], "call them ra and dec"),
        (["ra", "name"], "1 columns for right ascension and 0"),
        (["ra", "dec", "RAJ2000"], "2 columns for right ascension and 1"),
        (["ra", "dec", "radius", "Radius"], "2 columns for the radius"),
        (["ra (rad)", "dec (rad)"], "units"),
        (["ra", "dec (h)"], "units"),
        (["ra", "dec", "radius (pix)"], "unit of 'radius .pix.'"),
        (["ra", "dec", "radius/arcsec"], "may be the radius"),
        (["ra", "dec", "Radius in arcmin"], "may be the radius"),
        (["ra", "dec", "name", "match_radius"], "may be the radius"),
        (["ra", "dec", "rad [arcmin]"], "may be the radius"),
    ],
)
def test_names_that_leave_it_open_which_is_which(names: list[str], reason: str) -> None:
    with pytest.raises(UnknownColumns, match=reason):
        columns_of(names)
