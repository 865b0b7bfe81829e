"""Cases worked out by hand from the rules: one for each group of searches and each pass.

The position is (10, 20) degrees; one arcsecond of declination is 1/3600 of a degree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from broker_assets.context.association import Index
from broker_assets.context.catalogue import Sources
from broker_assets.context.description import published
from broker_assets.context.merging import merged
from broker_assets.context.rules import Rules, Search, read_rules

RULES = read_rules()
ARCSEC = 1.0 / 3600.0


def north(arcseconds: float, **values: Any) -> dict[str, Any]:
    """A source at a distance south of the position: the position is north of it."""
    return {"ra": 10.0, "dec": 20.0 - arcseconds * ARCSEC, **values}


@pytest.mark.parametrize(
    ("catalogue", "source", "expected"),
    [
        ("ps1_unclear", north(1.4), ("UNCLEAR", "association")),
        ("ps1_unclear", north(1.6), None),
        ("gaia_bright", north(2.9), ("VS", "synonym")),
        ("gaia_bright", north(3.1), ("BS", "association")),
        ("gaia_bright", north(7.1), None),
        ("vsx", north(1.2), ("VS", "synonym")),
        ("vsx", north(2.4), ("VS", "association")),
        ("vsx_cv", north(2.4), ("CV", "synonym")),
        ("gaia", north(1.4), ("VS", "association")),
        ("gaia_high_proper_motion", north(2.9), ("HPMS", "synonym")),
        # z = 0.02 is 0.4055 kpc per arcsecond: 50 kpc are 123 arcseconds, beyond the radius of the search.
        ("sdss_spec", north(59.0, redshift=0.02), ("SN", "association")),
        # z = 0.1 is 1.844 kpc per arcsecond: 50 kpc are 27.1 arcseconds.
        ("sdss_spec", north(27.0, redshift=0.1), ("SN", "association")),
        ("sdss_spec", north(27.3, redshift=0.1), None),
        ("sdss_spec", north(1.0, redshift=0.1), ("NT", "synonym")),
        ("sdss_spec", north(1.0), None),
        # A direct distance of 10 Mpc is 0.0485 kpc per arcsecond; the ellipse of 400 arcseconds reaches 500.
        ("ned_d", north(290.0, distance=10.0, major_axis=400.0), ("SN", "association")),
        ("ned_d", north(310.0, distance=10.0, major_axis=400.0), None),
        ("desi_ls_galaxies", north(24.0, major_axis=22.0), ("SN", "association")),
        ("desi_ls_galaxies", north(24.0, major_axis=19.0), None),
        ("twomass_xsc", north(0.5), ("SN", "association")),
        ("twomass_xsc", north(10.1), None),
        ("ned_like_galaxy", north(9.0), ("SN", "annotation")),
        ("milliquas", north(1.2), ("AGN", "synonym")),
        ("milliquas", north(2.9), ("SN", "association")),
        ("downes", north(2.4), ("CV", "synonym")),
    ],
)
def test_each_group_of_searches(
    associate: Callable[..., list[dict[str, Any]]],
    sources: Callable[..., Sources],
    catalogue: str,
    source: dict[str, Any],
    expected: tuple[str, str] | None,
) -> None:
    found = associate(RULES, {catalogue: sources(source)})
    assert [(row["classification"], row["association_type"]) for row in found] == ([expected] if expected else [])


UNCLEAR = ((1.49, "UNCLEAR", "association"), (1.51, None, None))
BRIGHT = ((2.99, "VS", "synonym"), (3.01, "BS", "association"), (6.99, "BS", "association"), (7.01, None, None))
STAR = ((1.29, "VS", "synonym"), (1.31, "VS", "association"), (1.49, "VS", "association"), (1.51, None, None))
VARIABLE = ((1.29, "VS", "synonym"), (1.31, "VS", "association"), (2.49, "VS", "association"), (2.51, None, None))
CATACLYSMIC = ((2.49, "CV", "synonym"), (2.51, None, None))
QUASAR = ((1.29, "AGN", "synonym"), (1.31, "SN", "association"), (2.99, "SN", "association"), (3.01, None, None))
NOTHING = ((0.1, None, None), (5.0, None, None))


def host(edge: float, core: str = "NT") -> tuple[tuple[float, str | None, str | None], ...]:
    """A galaxy with a core, and how far it reaches."""
    on_core = (1.29, core, "association" if core == "SN" else "synonym")
    return (on_core, (1.31, "SN", "association"), (edge - 0.1, "SN", "association"), (edge + 0.1, None, None))


DEFAULT_RULES: tuple[tuple[str, dict[str, float], Any], ...] = (
    ("ps1_unclear", {}, UNCLEAR),
    ("desi_ls_unclear", {}, UNCLEAR),
    ("sdss_unclear", {}, UNCLEAR),
    ("ned_unclear", {}, UNCLEAR),
    ("twomass_psc_unclear", {}, UNCLEAR),
    ("gaia_bright", {}, BRIGHT),
    ("bright_stars", {}, BRIGHT),
    ("vsx_cv", {}, CATACLYSMIC),
    ("vsx", {}, VARIABLE),
    ("gcvs", {}, VARIABLE),
    ("twomass_psc", {}, STAR),
    ("desi_ls_stars", {}, STAR),
    ("ps1_stars", {}, STAR),
    ("sdss_stars", {}, STAR),
    ("gaia", {}, (*STAR[:3], (2.99, "VS", "association"), (3.01, None, None))),
    ("gaia_high_proper_motion", {}, ((2.99, "HPMS", "synonym"), (3.01, None, None))),
    # Kiloparsecs in an arcsecond: distance/206.265, and by redshift 0.1034 (0.005), 0.4055 (0.02), 1.844 (0.1).
    ("ned_d", {"distance": 100.0}, host(30.0)),
    ("ned_d", {"distance": 100.0, "major_axis": 100.0}, host(50.0 / (100.0 / 206.265))),
    ("ned_d", {"distance": 10.0, "major_axis": 100.0}, host(120.0)),
    ("ned_d", {"distance": 10.0, "major_axis": 200.0}, host(250.0)),
    ("ned_d", {"distance": 0.785, "major_axis": 11400.0}, host(300.0)),
    ("ned_d", {"redshift": 0.005, "major_axis": 250.0}, host(312.5)),
    ("ned_d", {"major_axis": 4.0}, host(5.0)),
    ("ned_d", {"major_axis": 200.0}, host(10.0)),
    ("ned", {"redshift": 0.02}, host(30.0)),
    ("ned", {"redshift": 0.02, "major_axis": 100.0, "magnitude": 21.0}, host(120.0)),
    ("ned", {"redshift": 0.005, "major_axis": 250.0}, host(312.5)),
    ("ned", {"major_axis": 100.0, "magnitude": 19.0}, NOTHING),
    ("ngc", {"major_axis": 200.0}, host(250.0)),
    ("ngc", {"major_axis": 100.0}, host(60.0, "SN")),
    ("galaxies", {"redshift": 0.02}, host(60.0)),
    ("galaxies", {"redshift": 0.02, "major_axis": 80.0}, host(100.0)),
    ("galaxies", {"redshift": 0.005, "major_axis": 110.0}, host(137.5)),
    ("galaxies", {"redshift": 0.005, "major_axis": 250.0}, host(312.5)),
    ("galaxies", {"magnitude": 12.0}, NOTHING),
    ("sdss_spec", {"redshift": 0.02}, host(60.0)),
    ("sdss_spec", {}, NOTHING),
    ("lasr", {"redshift": 0.005}, host(240.0)),
    ("desi_ls_galaxies", {"major_axis": 22.0}, host(25.0)),
    ("desi_ls_galaxies", {"major_axis": 19.0}, host(20.0, "SN")),
    ("desi_ls_galaxies", {"major_axis": 4.0}, host(5.0, "SN")),
    ("ned_phot", {"major_axis": 10.0, "magnitude": 19.0}, host(10.0, "SN")),
    ("ned_phot", {"major_axis": 4.0, "magnitude": 22.0, "redshift": 0.1}, host(5.0, "SN")),
    ("ned_phot", {"major_axis": 10.0, "magnitude": 21.0}, NOTHING),
    ("ps1_galaxies", {"major_axis": 4.0}, host(5.0, "SN")),
    ("ps1_galaxies", {}, NOTHING),
    ("twomass_xsc", {}, host(10.0, "SN")),
    ("sdss_phot", {}, host(10.0, "SN")),
    ("ned_like_galaxy", {}, ((0.1, "SN", "annotation"), (9.99, "SN", "annotation"), (10.01, None, None))),
    ("sdss_qso", {"redshift": 0.02}, (*QUASAR[:3], (59.9, "SN", "association"), (60.1, None, None))),
    ("sdss_qso", {}, NOTHING),
    ("ned_agn", {"redshift": 0.02}, (*QUASAR[:3], (59.9, "SN", "association"), (60.1, None, None))),
    ("ned_agn", {}, QUASAR),
    ("milliquas", {}, QUASAR),
    ("gaia_qso", {}, QUASAR),
    ("lasr_agn", {"redshift": 0.005}, (*QUASAR[:3], (239.9, "SN", "association"), (240.1, None, None))),
    ("downes", {}, CATACLYSMIC),
    ("ritter", {}, CATACLYSMIC),
)
"""Each catalogue of the default rules, values of a source, and what positions at some separations are."""


def displaced(ra: float, dec: float, angle: float, separation: float) -> tuple[float, float]:
    """A point at a position angle, degrees, and a separation, arcseconds, from another."""
    phi, theta, rho = np.radians([dec, angle, separation / 3600.0])
    other = np.arcsin(np.sin(phi) * np.cos(rho) + np.cos(phi) * np.sin(rho) * np.cos(theta))
    turn = np.arctan2(np.sin(theta) * np.sin(rho) * np.cos(phi), np.cos(rho) - np.sin(phi) * np.sin(other))
    return float(np.mod(ra + np.degrees(turn), 360.0)), float(np.degrees(other))


@pytest.mark.parametrize(("ra", "dec"), [(10.0, 20.0), (0.0, -5.0), (123.0, 89.9999), (359.9999, -89.98)])
def test_every_catalogue_of_the_default_rules(sources: Callable[..., Sources], ra: float, dec: float) -> None:
    """At the edges of every search, on every side: at right ascension 0 and around the poles, too."""
    assert {catalogue for catalogue, _, _ in DEFAULT_RULES} == set(RULES.catalogues)
    assert len(DEFAULT_RULES) >= len(RULES.searches)
    for catalogue, values, cases in DEFAULT_RULES:
        index = Index(RULES, {catalogue: sources({"ra": ra, "dec": dec, **values})})
        for separation, label, kind in cases:
            points = [displaced(ra, dec, angle, separation) for angle in (0.0, 90.0, 200.0, 311.0)]
            found = published(merged(index.matches(*np.array(points).T), RULES)).to_pylist()
            shown = [(row["classification"], row["association_type"]) for row in found if row["rank"] == 1]
            case = (catalogue, values, separation)
            assert shown == ([(label, kind)] * 4 if label else []), case


@pytest.mark.parametrize(
    ("axis", "reach"),
    [(100.0, 125.0), (599.0, 748.75), (600.0, 525.0), (6000.0, 3750.0)],
)
def test_the_ellipse_of_a_large_galaxy_is_taken_smaller(
    associate: Callable[..., list[Any]], sources: Callable[..., Sources], axis: float, reach: float
) -> None:
    rules = Rules((Search("a", "galaxy", 14_000.0, association="SN", within_axis=True),))
    assert associate(rules, {"a": sources(north(0.999 * reach, major_axis=axis))})
    assert not associate(rules, {"a": sources(north(1.001 * reach, major_axis=axis))})


@pytest.mark.parametrize(("angle", "near"), [(0.0, True), (180.0, True), (90.0, False), (45.0, False)])
def test_an_ellipse_reaches_along_its_major_axis(
    associate: Callable[..., list[Any]], sources: Callable[..., Sources], angle: float, near: bool
) -> None:
    """The position is 40 arcseconds north; half the axis times 2.5 is 50, the minor axis a fifth of it."""
    rules = Rules((Search("a", "galaxy", 100.0, association="SN", within_axis=True),))
    galaxy = north(40.0, major_axis=40.0, axis_ratio=0.2, position_angle=angle)
    assert bool(associate(rules, {"a": sources(galaxy)})) is near


def test_sizes_of_faint_galaxies_without_redshift_are_not_believed(
    associate: Callable[..., list[Any]], sources: Callable[..., Sources]
) -> None:
    search = Search("a", "galaxy", 100.0, association="SN", within_axis=True, axis_needs_magnitude=20.0)
    for values, near in (
        ({"magnitude": 19.0}, True),
        ({"magnitude": 21.0}, False),
        ({"magnitude": 21.0, "redshift": 0.1}, True),
        ({}, False),
    ):
        assert bool(associate(Rules((search,)), {"a": sources(north(10.0, major_axis=40.0, **values))})) is near
    misleading = Search("a", "galaxy", 100.0, association="SN", within_axis=True, not_larger=("S0",))
    assert not associate(Rules((misleading,)), {"a": sources(north(10.0, major_axis=40.0))})


def test_a_synonym_that_stops_ends_the_search(
    associate: Callable[..., list[Any]], sources: Callable[..., Sources]
) -> None:
    catalogues = {"vsx": sources(north(0.5)), "twomass_xsc": sources(north(5.0)), "milliquas": sources(north(1.2))}
    assert [row["classification"] for row in associate(RULES, catalogues)] == ["VS"]
    # An association does not: the star is 2.4 arcseconds away now.
    catalogues["vsx"] = sources(north(2.4))
    assert {row["classification"] for row in associate(RULES, catalogues)} == {"VS", "SN", "AGN"}
    # Neither does a synonym of a search that comes earlier and does not stop.
    assert {row["classification"] for row in associate(RULES, {**catalogues, "vsx": sources(north(50.0))})} == {
        "SN",
        "AGN",
    }


def test_an_annotation_counts_only_if_nothing_else_does(
    associate: Callable[..., list[Any]], sources: Callable[..., Sources]
) -> None:
    like = {"ned_like_galaxy": sources(north(4.0))}
    assert [row["association_type"] for row in associate(RULES, like)] == ["annotation"]
    both = like | {"twomass_xsc": sources(north(9.0))}
    assert [row["association_type"] for row in associate(RULES, both)] == ["association"]


def test_offsets_are_those_of_the_position_from_the_source(
    associate: Callable[..., list[Any]], sources: Callable[..., Sources]
) -> None:
    ((row,),) = [associate(RULES, {"twomass_xsc": sources({"ra": 10.0 - 4 * ARCSEC, "dec": 20.0 + 3 * ARCSEC})})]
    assert row["eastSeparationArcsec"] == pytest.approx(4 * np.cos(np.radians(20.0)), abs=2e-3)
    assert row["northSeparationArcsec"] == pytest.approx(-3.0, abs=2e-3)


def test_many_positions_at_once_are_as_one_by_one(sources: Callable[..., Sources]) -> None:
    generator = np.random.default_rng(7)
    ra = np.mod(359.999 + generator.uniform(0, 0.01, 300), 360.0)
    dec = generator.uniform(-0.005, 0.005, 300)
    stars = sources(*({"ra": float(a), "dec": float(d)} for a, d in zip(ra[:80], dec[:80], strict=True)))
    galaxies = sources(
        *({"ra": float(a), "dec": float(d), "redshift": 0.05} for a, d in zip(ra[80:150], dec[80:150], strict=True))
    )
    index = Index(RULES, {"vsx": stars, "sdss_spec": galaxies, "unknown to the rules": stars})
    at_once = index.matches(ra, dec)
    for place in range(0, 300, 7):
        alone = index.matches(ra[place : place + 1], dec[place : place + 1])
        rows = at_once.take(np.flatnonzero(at_once.position == place))
        assert alone.source.table().equals(rows.source.table())
        assert alone.label.tolist() == rows.label.tolist()
        assert alone.separation.tolist() == rows.separation.tolist()
