"""From a source to its packet and images, as pyvo follows it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import pytest
import pyvo
from astropy.io.votable import validate
from interface_server import InterfaceServer, small_server

from broker_assets.database.engine import connect

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InterfaceServer]:
    with small_server(module_database_url, tmp_path_factory.mktemp("home")) as running:
        with connect(module_database_url, autocommit=True) as connection:
            connection.execute("UPDATE diasources SET archivefileid = 1 WHERE diasourceid = 1")
        yield running


def test_by_pyvo(server: InterfaceServer) -> None:
    found = pyvo.dal.adhoc.DatalinkResults.from_result_url(f"{server.url}/api/vo/datalink?ID=1,2")
    semantics = [(row["ID"], row.semantics) for row in found]
    assert semantics == [
        ("1", "#this"),
        *[("1", "#cutout")] * 3,
        ("1", "#preview"),
        ("1", "#auxiliary"),
        ("2", "#auxiliary"),
    ]
    curve = next(row.access_url for row in found if row.semantics == "#auxiliary")
    assert httpx.get(curve).content.count(b"<TR>") == 5


def test_the_table_is_valid_and_says_what_is_unknown(server: InterfaceServer) -> None:
    answer = httpx.get(f"{server.url}/api/vo/datalink", params={"id": "99999,x<y"})
    assert answer.headers["content-type"] == "application/x-votable+xml;content=datalink"
    assert answer.text.count("NotFoundFault") == 2
    output = io.StringIO()
    assert validate(io.BytesIO(answer.content), output=output), output.getvalue()
    assert httpx.get(f"{server.url}/api/vo/datalink").status_code == 400
