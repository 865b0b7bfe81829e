"""Which object a name means."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest

from broker_assets.api.v1.names import one_of, resolve
from broker_assets.api.v1.problems import Problem
from broker_assets.database.engine import connect
from broker_assets.sky.cells import DEEPEST, cells_at

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Any:
    with connect(module_database_url, autocommit=True) as opened:
        for identifier in (7, 4611686163012821968):  # the second is a ZTF name
            opened.execute(
                "INSERT INTO objects (diaobjectid, ra, decl, healpix, survey) VALUES (%s, 10.0, 20.0, 0, 1)",
                (identifier,),
            )
        cell = int(cells_at(np.array([10.0]), np.array([20.0]), DEEPEST)[0])
        opened.execute("UPDATE objects SET healpix = %s", (cell,))
        opened.execute(
            "INSERT INTO crossmatch_tns (objid, tns_name, tns_prefix, ra, decl, htm16)"
            " VALUES (1, '2024abc', 'SN', 10.0001, 20.0, 0)"
        )
        yield opened


def test_names(connection: psycopg.Connection[Any]) -> None:
    found, unknown = resolve(connection, ["7", "ZTF18abcdefg", "nonsense", "8", "7"])
    assert (found, unknown) == ([7, 4611686163012821968], ["nonsense", "8"])


@pytest.mark.parametrize("text", ["2024abc", "SN2024abc", "SN 2024abc", "at 2024ABC"])
def test_names_at_tns(connection: psycopg.Connection[Any], text: str) -> None:
    assert one_of(connection, text) in (7, 4611686163012821968)


@pytest.mark.parametrize("text", ["", "2024abd", "1e400", "-9223372036854775809", "7' OR 1=1", "ZTF18abc"])
def test_names_of_nothing(connection: psycopg.Connection[Any], text: str) -> None:
    with pytest.raises(Problem, match="unknown"):
        one_of(connection, text)
