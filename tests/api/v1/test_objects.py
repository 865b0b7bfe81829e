"""Objects by identifier and name, many at once, in cones, page by page, in every form."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet
import pytest
from astropy.io.votable import parse_single_table

pytestmark = pytest.mark.database


def test_one_object(v1: httpx.Client, v1_star: Any) -> None:
    answer = v1.get(f"/objects/{v1_star['diaObjectId']}")
    assert answer.status_code == 200
    found = answer.json()
    assert int(found["diaObjectId"]) == v1_star["diaObjectId"]
    assert found["diaObject"]["ra"] == pytest.approx(v1_star["ra"], abs=1e-3)
    assert found["annotations"] == []
    again = v1.get(f"/objects/{v1_star['diaObjectId']}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["12", "nonsense", "ZTF18", "2024abc", "9" * 30, "SN 2011fe", "0", "-" * 30])
def test_an_unknown_object(v1: httpx.Client, name: str) -> None:
    answer = v1.get(f"/objects/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:broker-assets:problem:not-found"
    assert "cone" in problem["advice"]


def test_many_at_once(v1: httpx.Client, v1_star: Any) -> None:
    star = v1_star["diaObjectId"]
    by_get = v1.get("/objects", params={"ids": f"{star},12", "columns": "ra,decl"}).json()
    by_post = v1.post("/objects/search", json={"ids": [star, "12"], "columns": ["ra", "decl"]}).json()
    assert by_get == by_post
    assert set(by_get["objects"][0]) == {"diaObjectId", "survey", "ra", "decl"}
    assert by_get["unknown"] == ["12"]
    assert v1.post("/objects/search", json={"ids": ["1"] * 1001}).status_code == 422
    wrong = v1.get("/objects", params={"ids": star, "columns": "ra,nonsense"})
    assert (wrong.status_code, "nonsense" in wrong.json()["detail"]) == (400, True)


@pytest.mark.parametrize("form", ["csv", "arrow", "parquet", "votable"])
@pytest.mark.parametrize(("path", "more"), [("/objects", 100), ("/cone?ra=150&dec=2&radius=36000", 2)])
def test_a_table_says_how_many_rows_it_may_have(v1: httpx.Client, form: str, path: str, more: int) -> None:
    url = f"{path}{'&' if '?' in path else '?'}format={form}"
    cut, whole = v1.get(f"{url}&limit=2"), v1.get(f"{url}&limit=10000")
    assert (cut.headers["x-row-limit"], whole.headers["x-row-limit"]) == ("2", "10000")

    def rows(content: bytes) -> int:
        if form == "csv":
            return len(content.splitlines()) - 1
        if form == "votable":
            return len(parse_single_table(io.BytesIO(content)).array)
        if form == "arrow":
            return int(pa.ipc.open_stream(content).read_all().num_rows)
        return int(pa.parquet.read_table(io.BytesIO(content)).num_rows)

    assert rows(cut.content) == min(2, rows(whole.content))
    if rows(whole.content) > 2 and form == "votable":
        assert b'"OVERFLOW"' in cut.content
        assert b'"OVERFLOW"' not in whole.content
    if path == "/objects":
        assert rows(whole.content) > more
        everything = v1.get(url)
        assert rows(everything.content) == rows(whole.content), "without a limit: what the account may have"
        refused = v1.get(f"{url}&cursor=x")
        assert (refused.status_code, "pages" in refused.json()["detail"]) == (422, True)


def test_all_page_by_page(v1: httpx.Client) -> None:
    seen: list[int] = []
    cursor = None
    while True:
        answer = v1.get("/objects", params={"limit": 50, **({"cursor": cursor} if cursor else {})})
        page = answer.json()
        seen += [int(one["diaObjectId"]) for one in page["objects"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) > 100
    assert seen == sorted(set(seen))
    whole = v1.get("/objects", params={"format": "arrow"})
    assert pa.ipc.open_stream(whole.content).read_all()["diaObjectId"].to_pylist() == seen
    first = v1.get("/objects", params={"limit": 50}).json()
    other_question = v1.get("/objects", params={"limit": 50, "least": 2, "cursor": first["next"]})
    assert other_question.status_code == 400
    assert v1.get("/objects", params={"cursor": "x" * 50}).status_code == 400
    few = v1.get("/objects", params={"least": 5, "survey": "rubin", "since": 1.0}).json()
    assert {one["survey"] for one in few["objects"]} == {"rubin"}
    assert min(one["nDiaSources"] for one in few["objects"]) >= 5
    assert v1.get("/objects", params={"survey": "panstarrs"}).status_code == 422


def test_a_cone_in_every_form(v1: httpx.Client, v1_star: Any) -> None:
    question: dict[str, Any] = {"ra": v1_star["ra"], "dec": v1_star["dec"], "radius": 36_000}
    found = v1.get("/cone", params=question).json()
    assert found["count"] == len(found["objects"]) > 1
    distances = [one["separationArcsec"] for one in found["objects"]]
    assert distances == sorted(distances)
    assert int(found["objects"][0]["diaObjectId"]) == v1_star["diaObjectId"]
    identifiers = [int(one["diaObjectId"]) for one in found["objects"]]

    def ask(form: str) -> bytes:
        return v1.get("/cone", params={**question, "format": form}).content

    lines = ask("csv").decode().splitlines()
    assert [int(line.split(",")[0]) for line in lines[1:]] == identifiers
    assert pa.ipc.open_stream(ask("arrow")).read_all()["diaObjectId"].to_pylist() == identifiers
    parquet = pyarrow.parquet.read_table(io.BytesIO(ask("parquet")))
    assert parquet["diaObjectId"].to_pylist() == identifiers
    assert parquet.schema.field("ra").metadata[b"unit"] == b"deg"
    votable = parse_single_table(io.BytesIO(ask("votable")))
    assert votable.array["diaObjectId"].tolist() == identifiers
    assert votable.get_field_by_id_or_name("ra").unit == "deg"
    by_header = v1.get("/cone", params=question, headers={"Accept": "text/csv, application/json;q=0.5"})
    assert by_header.headers["content-type"].startswith("text/csv")
    assert v1.get("/cone", params=question, headers={"Accept": "image/png"}).status_code == 406


@pytest.mark.parametrize(
    ("question", "parameter"),
    [({"ra": 400, "dec": 0}, "ra"), ({"ra": 4, "dec": 99}, "dec"), ({"ra": "x", "dec": 0}, "ra"), ({"ra": 1}, "dec")],
)
def test_a_cone_that_cannot_be(v1: httpx.Client, question: Any, parameter: str) -> None:
    answer = v1.get("/cone", params=question)
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]
