"""A misspelt parameter is refused at every address, since a misspelt limit would be no limit."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.database


def test_every_operation_refuses_what_it_does_not_have(v1: Any) -> None:
    paths = v1.get("/openapi.json").json()["paths"]
    tried = 0
    for path, operations in paths.items():
        if path == "/why/rows/{table}":
            continue
        for method in operations:
            address = path.replace("{", "").replace("}", "")
            answer = v1.request(method, f"{address}", params={"limitt": 5})
            # Paths whose parts are numbers are refused for these first, and those of accounts for the log-in.
            assert answer.status_code in (401, 403, 404, 422), (method, path, answer.status_code)
            tried += "limitt" in answer.text
    assert tried > 20


def test_what_is_known_works_and_what_is_near_is_named(v1: Any) -> None:
    refused = v1.get("/objects", params={"ra": 10, "dec": 10, "radius": 5})
    assert refused.status_code == 422
    found = refused.json()
    assert [error["parameter"] for error in found["errors"]] == ["ra", "dec", "radius"]
    assert "limit" in found["advice"]
    assert "/cone" not in refused.url.path
    assert v1.get("/cone", params={"ra": 10, "dec": 10, "radius": 5}).status_code == 200
    assert "did you mean limit?" in v1.get("/objects", params={"limt": 5}).text
    assert v1.get("/objects?").status_code == 200
    assert v1.get("/status", params={"a": 1}).json()["advice"].startswith("leave it out")
    rows = v1.get("/why/rows/diasources", params={"diasourceid": 8})
    assert rows.status_code == 404, "columns of a table are its parameters"


def test_a_parameter_of_one_value_is_given_once(v1: Any) -> None:
    for address, name in (("/cone?ra=10&dec=10&radius=5&radius=5000", "radius"), ("/objects?limit=1&limit=2", "limit")):
        refused = v1.get(address)
        assert refused.status_code == 422
        assert refused.json()["errors"] == [{"parameter": name, "message": "it is given several times; give it once"}]
    several = v1.get("/events", params={"filter": ["x", "y"], "follow": ["matches", "progress"]})
    assert several.status_code in (401, 422)
    assert "several times" not in several.text, "these have any number of values"


def kinds(schema: dict[str, Any]) -> set[str]:
    """Types of a schema, or of the parts of a union."""
    return {str(part.get("type")) for part in (schema, *schema.get("anyOf", ()))}


def test_every_number_is_written_in_digits(v1: Any) -> None:
    paths = v1.get("/openapi.json").json()["paths"]
    tried = 0
    for path, operations in paths.items():
        for method, operation in operations.items():
            for given in operation.get("parameters", ()):
                if given["in"] not in ("query", "path") or not kinds(given["schema"]) & {"integer", "number"}:
                    continue
                name = given["name"]
                address, query = (
                    (path.replace(f"{{{name}}}", "1_0"), {}) if given["in"] == "path" else (path, {name: "1_0"})
                )
                answer = v1.request(method, address.replace("{", "").replace("}", ""), params=query)
                assert answer.status_code in (401, 403, 404, 422), (method, path, name, answer.status_code)
                tried += "'1_0' is not a number" in answer.text
    assert tried > 20
    for text in ("nan", "inf", "１２", "0x10"):
        assert v1.get("/cone", params={"ra": 10, "dec": 10, "radius": text}).status_code == 422
    assert v1.get("/cone?ra=+1e1&dec= 10&radius=5").status_code == 200


@pytest.mark.parametrize("since", ["nan", "inf", "-1", "1e400"])
def test_times_are_numbers_of_the_calendar(v1: Any, since: str) -> None:
    assert v1.get("/objects", params={"since": since}).status_code == 422


def test_every_body_refuses_what_it_does_not_have(v1: Any) -> None:
    document = v1.get("/openapi.json").json()
    bodies = [
        content["schema"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for kind, content in operation.get("requestBody", {}).get("content", {}).items()
        if kind == "application/json"
    ]
    open_ones, tried = [], 0
    while bodies:
        schema = bodies.pop()
        bodies += [*schema.get("anyOf", []), *schema.get("properties", {}).values(), *schema.get("oneOf", [])]
        name = schema.get("$ref", "").rpartition("/")[2]
        if name:
            bodies.append(document["components"]["schemas"][name] | {"title": name})
        elif "properties" in schema:
            tried += 1
            open_ones += [schema["title"]] if schema.get("additionalProperties") is not False else []
    assert not open_ones
    assert tried > 10
    refused = v1.post("/lightcurves", json={"ids": ["1"], "as_off": 60000})
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "as_off")
