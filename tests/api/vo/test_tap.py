"""Table access, asked by pyvo."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import pytest
import pyvo
from astropy.io.votable import validate
from interface_server import RA, InterfaceServer, small_server

from broker_assets.api.vo.tap import EXAMPLES

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InterfaceServer]:
    with small_server(module_database_url, tmp_path_factory.mktemp("home")) as running:
        yield running


def test_by_pyvo(server: InterfaceServer) -> None:
    service = pyvo.dal.TAPService(f"{server.url}/api/vo/tap")
    found = service.search(
        "SELECT diaobjectid, ra FROM objects"
        f" WHERE 1=CONTAINS(POINT('ICRS', ra, decl), CIRCLE('ICRS', {RA}, 2.2, 0.005)) ORDER BY decl"
    )
    assert found["diaobjectid"].tolist() == [1, 2]
    assert "objects" in service.tables
    assert service.available
    assert service.hardlimit > 0
    assert f"{server.url}/api/vo/tap<" in httpx.get(f"{server.url}/api/vo/tap/capabilities").text
    assert {example["QUERY"] for example in service.examples} == {query for _, query in EXAMPLES}
    with pytest.raises(pyvo.DALQueryError, match="no table"):
        service.search("SELECT * FROM secrets")


def test_every_example_runs_and_is_valid(server: InterfaceServer) -> None:
    for _, query in EXAMPLES:
        answer = httpx.post(
            f"{server.url}/api/vo/tap/sync", data={"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": query}
        )
        assert answer.status_code == 200, answer.text
        output = io.StringIO()
        assert validate(io.BytesIO(answer.content), output=output), output.getvalue()


def test_forms_and_errors(server: InterfaceServer) -> None:
    def ask(**question: str) -> httpx.Response:
        return httpx.get(f"{server.url}/api/vo/tap/sync", params={"LANG": "ADQL", **question})

    assert ask(query="SELECT TOP 2 ra FROM objects", responseformat="csv").text.splitlines()[0] == '"ra"'
    assert b"OVERFLOW" in ask(QUERY="SELECT ra FROM objects", MAXREC="2").content
    for wrong in ({"QUERY": ""}, {"QUERY": "SELECT 1", "LANG": "SQL"}, {"QUERY": "SELECT 1", "UPLOAD": "a,b"},
                  {"QUERY": "SELECT 1", "REQUEST": "getCapabilities"}):  # fmt: skip
        assert ask(**wrong).status_code == 400
    assert httpx.get(f"{server.url}/api/vo/nothing").status_code == 404


def test_functions_within_functions(server: InterfaceServer) -> None:
    """Each of ADQL's numeric functions around each of those that are rewritten for PostgreSQL, to any depth."""
    inner = ["ROUND(2.5678, 2)", "TRUNCATE(2.5678, 2)", "LOG(20.0)", "LOG10(500.0)", "RAND()", "RAND(7)"]
    outer = ["ABS({})", "CEILING({})", "DEGREES({})", "EXP({})", "FLOOR({})", "LOG({} + 1)", "LOG10({} + 1)",
             "POWER({}, 2)", "RADIANS({})", "ROUND({}, 1)", "ROUND({})", "SQRT({})", "TRUNCATE({}, 1)", "TRUNCATE({})",
             "SIN({})", "ATAN2({}, 2)", "MAX(ROUND({}, 1))", "ROUND(AVG({}), 1)"]  # fmt: skip
    columns = [one.format(two) for one in outer for two in inner]
    values = ", ".join(f"ROUND(TRUNCATE(ROUND({one}, 4), 3), 2) AS c{number}" for number, one in enumerate(columns))
    for query in (
        f"SELECT {values} FROM tap_schema.tables GROUP BY schema_name",
        "SELECT RAND() - RAND() FROM objects",
    ):
        answer = httpx.post(f"{server.url}/api/vo/tap/sync", data={"LANG": "ADQL", "QUERY": query, "FORMAT": "csv"})
        assert answer.status_code == 200, answer.text
    query = "SELECT TOP 1 ROUND(ROUND(2.6549, 3), 1), ROUND(TRUNCATE(1.29, 1) + 0.04, 1) FROM tap_schema.tables"
    answer = httpx.post(f"{server.url}/api/vo/tap/sync", data={"LANG": "ADQL", "QUERY": query, "FORMAT": "csv"})
    assert [float(value) for value in answer.text.splitlines()[1].split(",")] == [2.7, 1.2]
