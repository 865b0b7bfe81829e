"""Simple Cone Search, asked by pyvo and checked by astropy."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import pyvo
from astropy.io.votable import parse
from astropy.io.votable.exceptions import W06
from interface_server import DEC, RA, InterfaceServer, small_server

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InterfaceServer]:
    with small_server(module_database_url, tmp_path_factory.mktemp("home")) as running:
        yield running


def test_by_pyvo(server: InterfaceServer) -> None:
    found = pyvo.conesearch(f"{server.url}/api/vo/scs", pos=(RA, DEC), radius=25 / 3600)
    assert [record.id for record in found] == ["1", "2", "3"]
    assert found[0].pos.ra.deg == pytest.approx(RA)
    assert found["nDiaSources"].tolist() == [5, 5, 5]


@pytest.mark.parametrize("verb", [1, 2, 3])
def test_the_table_is_valid(server: InterfaceServer, verb: int) -> None:
    answer = httpx.get(f"{server.url}/api/vo/scs", params={"ra": RA, "Dec": DEC, "sr": 0.01, "VERB": verb})
    assert answer.headers["content-type"].startswith("application/x-votable+xml")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # The standard asks for UCDs of the first kind, which VOTable 1.4 does not have any more.
        warnings.simplefilter("ignore", W06)
        parse(io.BytesIO(answer.content), verify="warn")
    fields = parse(io.BytesIO(answer.content)).get_first_table().fields
    ucds = [item.ucd for item in fields if item.ucd in ("ID_MAIN", "POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN")]
    assert sorted(ucds) == ["ID_MAIN", "POS_EQ_DEC_MAIN", "POS_EQ_RA_MAIN"]


def test_limits(server: InterfaceServer) -> None:
    def ask(**question: Any) -> httpx.Response:
        return httpx.get(f"{server.url}/api/vo/scs", params={"RA": RA, "DEC": DEC, "SR": 1, **question})

    few = parse(io.BytesIO(ask(MAXREC=3).content))
    assert len(few.get_first_table().array) == 3
    assert b"OVERFLOW" in ask(MAXREC=3).content
    assert len(parse(io.BytesIO(ask(SR=0).content)).get_first_table().array) == 0
    assert len(ask(RESPONSEFORMAT="csv").text.splitlines()) == 13


@pytest.mark.parametrize(
    "question", [{"RA": 400}, {"DEC": "x"}, {"SR": -1}, {"SR": 90}, {"MAXREC": "-1"}, {"FORMAT": "png"}]
)
def test_errors_are_votables(server: InterfaceServer, question: dict[str, Any]) -> None:
    answer = httpx.get(f"{server.url}/api/vo/scs", params={"RA": RA, "DEC": DEC, "SR": 1, **question})
    assert answer.status_code == 400
    info = parse(io.BytesIO(answer.content)).resources[0].infos[0]
    assert (info.name, info.value) == ("QUERY_STATUS", "ERROR")
    assert next(iter(question)) in info.content.upper()
