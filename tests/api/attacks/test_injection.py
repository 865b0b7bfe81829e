"""Odd values in every parameter of every operation that the OpenAPI documents describe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from every_route import every_route, filled

pytestmark = pytest.mark.database

ODD = (
    "'", "\"", "1' OR '1'='1", "1); DROP TABLE objects; --", "1 UNION SELECT password FROM access.users",
    "${jndi:x}", "%s%(a)s{0}", "\\x00", "\\u0000", "é\U0001d7d9", "-1", "99999999999999999999", "1e400", "NaN",
    "../../etc/passwd", "x" * 3000,
)  # fmt: skip
"""SQL, formats of Python and of others, characters that PostgreSQL refuses, numbers out of every range, paths."""
JSON = ("/api/v1", "/elasticc", "/db", "/fastdb")
"""Paths that take JSON."""
LEAKS = ("psycopg", "syntax error at", "Traceback", "sqlalchemy", "/etc/passwd:", "root:x:", "$argon2id$")
FIELDS: dict[str, dict[str, str]] = {
    "/api/cone/": {"ra": "10", "dec": "20", "radius": "5", "requestType": "all"},
    "/api/query/": {
        "selected": "objects.diaObjectId", "tables": "objects", "conditions": "", "limit": "10", "offset": "0",
    },
    "/api/object/": {"objectId": "7", "lite": "true", "lasair_added": "true", "reliabilityThreshold": "0"},
    "/api/sherlock/object/": {"objectId": "7", "lite": "true"},
    "/api/sherlock/position/": {"ra": "10", "dec": "20", "lite": "true"},
    "/api/annotate/": {
        "topic": "public_topic", "objectId": "7", "classification": "SN", "version": "1", "explanation": "",
        "classdict": "{}", "url": "",
    },
    "/api/auth-token/": {"username": "mallory", "password": "x"},
    "/search": {"q": "x"},
}  # fmt: skip
"""Forms that no OpenAPI document describes."""


def usual(schema: dict[str, Any]) -> str:
    """A value that a parameter may have."""
    for name in ("example", "default"):
        if schema.get(name) is not None:
            return str(schema[name])
    for options in ("anyOf", "oneOf", "allOf"):
        if options in schema:
            return usual(next((one for one in schema[options] if one.get("type") != "null"), {}))
    if schema.get("enum"):
        return str(schema["enum"][0])
    return {"integer": "1", "number": "1", "boolean": "true"}.get(str(schema.get("type")), "1")


def operations(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Method, path and parameters."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), prefix + path, operation.get("parameters", [])


def ask(client: Any, method: str, path: str, values: dict[tuple[str, str], str]) -> Any:
    """Make a request with these values of parameters."""
    from urllib.parse import quote

    address = path
    for (place, name), value in values.items():
        if place == "path":
            address = address.replace(f"{{{name}}}", quote(value, safe="") or "x")
    query = {name: value for (place, name), value in values.items() if place == "query"}
    return client.request(method, address, params=query, follow_redirects=False)


def test_every_parameter_of_the_documents(ground: Any) -> None:
    client, before = ground.program(), ground.state()
    documents = [("", ground.app.openapi())]
    documents += [
        (route.path, route.app.openapi())
        for route in ground.app.routes
        if hasattr(getattr(route, "app", None), "openapi")
    ]
    made = 0
    for prefix, document in documents:
        for method, path, parameters in operations(document, prefix):
            if path in ("/metrics", "/api/status", "/api/telemetry", "/api/v1/status"):
                continue  # no parameters, and they look at the whole platform
            known = {
                (one["in"], one["name"]): str(one.get("example") or usual(one.get("schema", {}))) for one in parameters
            }
            for number, parameter in enumerate(parameters):
                # Each parameter gets a part of the values, and each value many parameters: all pairs take minutes.
                for odd in ODD[number % 5 :: 5]:
                    answer = ask(client, method, path, known | {(parameter["in"], parameter["name"]): odd})
                    where = f"{method} {path} {parameter['name']}={odd[:40]!r}"
                    assert answer.status_code < 500, where
                    assert not [leak for leak in LEAKS if leak in answer.text.replace(odd, "")], where
                    made += 1
    assert made > 200
    assert ground.state() == before


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_of_the_forms(ground: Any, path: str) -> None:
    client = ground.program()
    fields = FIELDS[path]
    before = ground.state()
    for name in fields:
        # Each password takes the time of its hash, and after ten none is looked at.
        for odd in ODD[::4] if path == "/api/auth-token/" else ODD:
            if path == "/search":
                answer = client.get(path, params={name: odd}, headers={"Accept": "text/html"}, follow_redirects=False)
            else:
                answer = client.post(path, data=fields | {name: odd})
            assert answer.status_code < 500, f"{path} {name}={odd[:40]!r}"
            assert not [leak for leak in LEAKS if leak in answer.text.replace(odd, "")], f"{path} {name}={odd[:40]!r}"
    assert ground.state() == before


def test_a_character_that_no_text_may_have(ground: Any) -> None:
    """NUL, in paths, questions, forms and documents: a mistake of who asks, whatever the account may do."""
    names = "asset body classification comment description facility field format has kind lines name owner password"
    names += " query requester requestid search searchband selected since tag text topic username what who"
    nul = dict.fromkeys(names.split(), "a\0b")
    given = {
        "objectid": 1,
        "objectids": [1],
        "priorities": [1],
        "mjd": 1,
        "z": None,
        "classid": None,
        "bands": ["a\0b"],
    }
    visitor, asked = ground.user("mallory"), 0
    token = {"X-CSRFToken": visitor.client.cookies["csrftoken"]}
    every = set(every_route(ground.app))
    for method, path in sorted(every):
        if path.startswith(("/static", "/accounts/logout", "/profile/")) or path.endswith("/events"):
            continue
        if method in ("PUT", "PATCH", "DELETE") and path.startswith(("/elasticc", "/db/")):
            continue  # a refusal of the method
        if (method, f"{path}/") in every:
            continue  # the same function
        address = filled(path, {"number": 1, "id": 1}, "a\0b")
        body: dict[str, Any] = {"json": nul | given} if path.startswith(JSON) else {"data": nul}
        answer = visitor.client.request(
            method, address, params=nul if method == "GET" else None, headers=token, follow_redirects=False,
            **({} if method == "GET" else body),
        )  # fmt: skip
        expected = answer.status_code < 500 or path in ("/health", "/ready")
        # Texts that clients of the TOM's original expect have its status.
        expected = expected or (answer.status_code == 500 and answer.text != "Internal Server Error")
        assert expected, (method, address, answer.text[:200])
        asked += 1
    assert asked > 300


def test_half_of_a_surrogate_pair(ground: Any) -> None:
    """JSON can express what UTF-8 cannot: a mistake of who asks, in every document that is taken."""
    names = "asset brokername classification comment description facility field has kind name owner processing_version"
    names += " query requester searchband tag text topic username what who"
    half = dict.fromkeys(names.split(), "a\ud800b") | {"objectid": 1, "objectids": [1], "priorities": [1], "mjd": 1}
    message = {
        "alertId": 1, "diaSourceId": 1, "elasticcPublishTimestamp": 1, "brokerIngestTimestamp": 1, "brokerName": "a",
        "brokerVersion": "a\ud800b", "classifierName": "a", "classifierParams": "a", "classifications": [],
    }  # fmt: skip
    visitor, asked = ground.user("mallory"), 0
    headers = {"X-CSRFToken": visitor.client.cookies["csrftoken"], "Content-Type": "application/json"}
    every = set(every_route(ground.app))
    wanted = [(method, path, half) for method, path in sorted(every) if method == "POST" and path.startswith(JSON)]
    for method, path, document in [*wanted, ("PUT", "/elasticc2/brokermessage/", message)]:
        if (method, f"{path}/") in every:
            continue  # the same function
        answer = visitor.client.request(
            method, filled(path, {"number": 1, "id": 1}, "x"), content=json.dumps(document), headers=headers
        )
        # Texts that clients of the TOM's original expect have the status 500.
        failed = answer.status_code >= 500 and ("not foreseen" in answer.text or answer.text == "Internal Server Error")
        assert not failed, (method, path, answer.text[:200])
        asked += 1
    assert asked > 30
