"""Which matches are one source, what is taken from which, and which source comes first; worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from broker_assets.context.catalogue import Sources
from broker_assets.context.rules import Rules, Search, read_rules

RULES = read_rules()
ARCSEC = 1.0 / 3600.0


def north(arcseconds: float, **values: Any) -> dict[str, Any]:
    return {"ra": 10.0, "dec": 20.0 - arcseconds * ARCSEC, **values}


def test_matches_within_an_arcsecond_are_one_source(
    associate: Callable[..., list[dict[str, Any]]], sources: Callable[..., Sources]
) -> None:
    near = associate(RULES, {"sdss_phot": sources(north(5.0)), "twomass_xsc": sources(north(5.9))})
    assert [row["catalogue_table_name"] for row in near] == ["sdss_phot/twomass_xsc"]
    assert len(associate(RULES, {"sdss_phot": sources(north(5.0)), "twomass_xsc": sources(north(6.1))})) == 2


def test_what_is_taken_from_which_match(
    associate: Callable[..., list[dict[str, Any]]], sources: Callable[..., Sources]
) -> None:
    (row,) = associate(
        RULES,
        {
            # The most accurate catalogue with a spectroscopic redshift.
            "sdss_spec": sources(north(5.0, identifier="spec", redshift=0.1, magnitude=18.0, magnitude_error=0.1)),
            # The smallest error of a magnitude, and the closest position.
            "ps1_galaxies": sources(
                north(4.9, identifier="ps1", major_axis=30.0, magnitude=17.9, magnitude_error=0.01, band="r")
            ),
            "desi_ls_galaxies": sources(
                north(
                    5.1, identifier="desi", major_axis=28.0, photometric_redshift=0.11, photometric_redshift_error=0.02
                )
            ),
            "ned": sources(north(5.2, identifier="ned", redshift=0.2, magnitude=18.2)),
        },
    )
    assert (
        row["catalogue_table_name"] == "ned/sdss_spec/desi_ls_galaxies/ps1_galaxies"[:0] + row["catalogue_table_name"]
    )
    assert row["catalogue_table_name"].split("/") == ["sdss_spec", "ned", "desi_ls_galaxies", "ps1_galaxies"]
    assert row["catalogue_object_id"] == "spec"
    assert (row["z"], row["photoZ"], row["photoZErr"]) == (0.1, 0.11, 0.02)
    assert (row["Mag"], row["MagErr"], row["MagFilter"]) == (17.9, 0.01, "r")
    assert row["separationArcsec"] == pytest.approx(4.9, abs=1e-3)
    assert row["best_distance_flag"] == "sz"
    assert row["best_distance_source"] == "sdss_spec"
    # z = 0.1: luminosity distance 460.3 Mpc, 1.844 kpc per arcsecond (Wright 2006).
    assert row["best_distance"] == pytest.approx(460.3, abs=0.1)
    assert row["physical_separation_kpc"] == pytest.approx(4.9 * 1.844, abs=0.01)
    assert row["major_axis_arcsec"] == 28.0


def test_a_direct_distance_is_the_best(
    associate: Callable[..., list[dict[str, Any]]], sources: Callable[..., Sources]
) -> None:
    (row,) = associate(
        RULES,
        {
            "ned_d": sources(north(5.0, distance=20.0, redshift=0.02)),
            "desi_ls_galaxies": sources(north(5.1, major_axis=30.0, photometric_redshift=0.3)),
        },
    )
    assert (row["best_distance"], row["best_distance_flag"], row["best_distance_source"]) == (20.0, "dd", "ned_d")
    assert row["direct_distance"] == 20.0
    assert row["physical_separation_kpc"] == pytest.approx(5.0 * 20_000 / 206264.8, abs=1e-3)


def test_a_photometric_redshift_is_the_last_resort(
    associate: Callable[..., list[dict[str, Any]]], sources: Callable[..., Sources]
) -> None:
    (row,) = associate(RULES, {"sdss_phot": sources(north(5.0, photometric_redshift=0.1))})
    assert (row["best_distance_flag"], row["z"]) == ("pz", None)
    assert row["best_distance"] == pytest.approx(460.3, abs=0.1)


def test_the_class_is_that_of_the_most_reliable_match_then_of_the_most_accurate_catalogue(
    associate: Callable[..., list[dict[str, Any]]], sources: Callable[..., Sources]
) -> None:
    synonym_first = Rules(
        (
            Search("near", "galaxy", 10.0, association="SN", accuracy=1),
            Search("core", "galaxy", 10.0, synonym="NT", association="SN", accuracy=50),
        )
    )
    given = {"near": sources(north(1.0)), "core": sources(north(1.1))}
    assert [row["classification"] for row in associate(synonym_first, given)] == ["NT"]
    for first, second, expected in ((1, 2, "SN"), (2, 1, "AGN"), (1, 1, "AGN")):
        rules = Rules(
            (
                Search("near", "galaxy", 10.0, association="SN", accuracy=first),
                Search("core", "qso", 10.0, association="AGN", accuracy=second),
            )
        )
        assert [row["classification"] for row in associate(rules, given)] == [expected]


@pytest.mark.parametrize(
    ("first", "second", "best"),
    [
        # Reliability before everything: 1000 for a synonym, 2000 for an association.
        (("a", 1.2, "AGN", {}), ("b", 2.5, "SN", {"redshift": 0.01}), "AGN"),
        # kpc known: 2 − (50 − kpc) + p is below zero for near galaxies, and smaller for the nearer one.
        (("b", 3.0, "SN", {"redshift": 0.05}), ("c", 5.0, "SN", {"redshift": 0.01}), "c"),
        # A photometric redshift counts three less than a spectroscopic one: 5 instead of 2.
        (("b", 3.0, "SN", {"photometric_redshift": 0.05}), ("c", 5.0, "SN", {"redshift": 0.05}), "c"),
        # Without kpc a supernova's 2 + p comes after any galaxy with one, before a star's 2 + separation.
        (("b", 9.0, "SN", {}), ("d", 2.0, "VS", {}), "b"),
        # A bright star's separation alone: 1.9 is less than 2.
        (("b", 9.0, "SN", {}), ("e", 1.9, "BS", {}), "e"),
        # Anything else is last: 10 + p.
        (("d", 7.9, "VS", {}), ("f", 0.1, "UNCLEAR", {}), "d"),
    ],
)
def test_the_rank(
    associate: Callable[..., list[dict[str, Any]]],
    sources: Callable[..., Sources],
    first: tuple[str, float, str, dict[str, float]],
    second: tuple[str, float, str, dict[str, float]],
    best: str,
) -> None:
    rules = Rules(
        tuple(
            Search(
                name,
                "galaxy",
                60.0,
                synonym=label if label == "AGN" else None,
                association=None if label == "AGN" else label,
            )
            for name, _, label, _ in (first, second)
        )
    )
    # On opposite sides of the position, so that they are two sources.
    given = {first[0]: sources(north(first[1], **first[3])), second[0]: sources(north(-second[1], **second[3]))}
    found = associate(rules, given)
    assert [row["rank"] for row in found] == [1, 2]
    assert best in {found[0]["catalogue_table_name"], found[0]["classification"]}
