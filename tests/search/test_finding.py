"""What is stored of the meanings of a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.packets.identifiers import ztf_object_id
from broker_assets.search.finding import find, object_of_source, object_title
from broker_assets.search.reading import read

pytestmark = pytest.mark.database
ZTF = int(ztf_object_id(["ZTF18abcdefg"])[0])


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_database_url) as connection:
        from broker_assets.sky.cells import cells_at

        for number, ra, dec in ((168110947020308481, 150.1, 2.2), (ZTF, 150.1, 2.202), (7, 0.0, 90.0)):
            cell = int(cells_at(np.array([ra]), np.array([dec]), 29)[0])
            connection.execute(
                "INSERT INTO objects (diaobjectid, ra, decl, healpix, htm16, survey, night, ndiasources)"
                " VALUES (%s, %s, %s, %s, 0, 1, '2025-10-01', 3)",
                (number, ra, dec, cell),
            )
        connection.execute(
            "INSERT INTO crossmatch_tns (objid, tns_name, tns_prefix, ra, decl, lastmodified_date, htm16)"
            " VALUES (1, '2023ixf', 'SN', 150.1, 2.2, now(), 0)"
        )
        yield connection


def names(connection: psycopg.Connection[Any], text: str) -> list[str]:
    return [hit.name for hit in find(connection, read(text)).hits]


@pytest.mark.parametrize(
    "text", ["168110947020308481", "sn 2023IXF", "150.1 2.2", "10:00:24.000 +02:12:00.00", "id:168110947020308481"]
)
def test_every_form_finds_the_object(connection: psycopg.Connection[Any], text: str) -> None:
    assert names(connection, text) == ["168110947020308481"]


def test_a_ztf_name_in_any_case(connection: psycopg.Connection[Any]) -> None:
    (hit,) = find(connection, read("ztf18ABCDEFG")).hits
    assert (hit.name, hit.title, hit.detail) == (str(ZTF), "ZTF18abcdefg", "3 detections")


def test_several_at_a_position_are_given_nearest_first(connection: psycopg.Connection[Any]) -> None:
    found = find(connection, read("150.1 2.2 1'"))
    assert [hit.title for hit in found.of("object")] == ["168110947020308481", "ZTF18abcdefg"]
    assert [round(hit.arcsec or 0, 1) for hit in found.hits] == [0.0, 7.2]


def test_none_at_a_position_names_the_nearest(connection: psycopg.Connection[Any]) -> None:
    found = find(connection, read("150.1 2.21"))
    assert not found.hits
    assert found.nearest is not None
    assert found.nearest.title == "ZTF18abcdefg"
    assert found.nearest.arcsec == pytest.approx(28.8)
    assert find(connection, read("10 10")).nearest is None
    assert names(connection, "77 90") == ["7"]  # the pole has every right ascension


def test_a_transient_without_an_object_is_a_place(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "INSERT INTO crossmatch_tns (objid, tns_name, tns_prefix, ra, decl, lastmodified_date, htm16)"
        " VALUES (2, '2024abc', 'AT', 150.1, 2.21, now(), 0)"
    )
    found = find(connection, read("2024abc"))
    assert not found.hits
    assert found.tried == ["AT 2024abc, position RA 150.100000°, Dec +2.210000° (ICRS), radius 3″"]
    assert found.place is not None
    assert (found.place.ra, found.place.dec) == (150.1, 2.21)
    assert found.nearest is not None
    assert found.nearest.title == "ZTF18abcdefg"


def test_a_minor_planet_by_its_name(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "INSERT INTO mpc_orbits (ssobjectid, designation, iau_name, permid, survey, night, broughtby, ingestid)"
        " VALUES (433, '1898 DQ', 'Eros', '433', 1, '2025-10-01', 1, 1)"
    )
    assert names(connection, "eros") == ["1898 DQ"]
    assert names(connection, "sso:433") == ["433"]
    assert not find(connection, read("Ceres")).hits


@pytest.mark.parametrize("text", ["99", "2099zzz", "sso:434", "no_such_file.fits", "2000-01-01"])
def test_what_is_not_stored_says_what_was_tried(connection: psycopg.Connection[Any], text: str) -> None:
    found = find(connection, read(text))
    assert (list(found.hits), found.total) == ([], 0)
    assert found.tried
    assert object_of_source(connection, 99) is None


def test_wildcards_of_the_database_are_not_those_of_file_names(connection: psycopg.Connection[Any]) -> None:
    assert not find(connection, read("file:%")).hits


def test_files_by_name_and_with_wildcards(connection: psycopg.Connection[Any]) -> None:
    for day, name in ((1, "solo_L1_a_V01.fits"), (2, "solo_L1_a_V02.fits"), (3, "soloXL1_b_V01.fits")):
        connection.execute(
            "INSERT INTO product_file (path, name, level, family, kind, version, day, rows, starts, ends, digest, size,"
            " incomplete, code_version, made_at)"
            " VALUES (%s, %s, 'L1', 'ql', 'lc', 1, %s, 1, '', '', 'x', 1, false, '1', now())",
            (name, name, f"2025-10-0{day}"),
        )
    assert names(connection, "solo_L1_a_V01.fits") == ["solo_L1_a_V01.fits"]
    assert names(connection, "solo_l1_A_v01.FITS") == ["solo_L1_a_V01.fits"]
    assert names(connection, "SOLO_l1_a_*") == ["solo_L1_a_V02.fits", "solo_L1_a_V01.fits"]
    assert names(connection, "solo_L1*") == ["solo_L1_a_V02.fits", "solo_L1_a_V01.fits"]


def test_titles() -> None:
    assert (object_title(5), object_title(ZTF)) == ("5", "ZTF18abcdefg")
