"""Pages of the tables: a stable order, every row once, whichever way a client goes."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.database, pytest.mark.shared]


def follow(client: Any, address: str, key: str, direction: str = "next") -> list[int]:
    found: list[int] = []
    while address:
        answer = client.session.get(address).json()
        assert list(answer) == ["count", "next", "previous", "results"]
        rows = [row[key] for row in answer["results"]]
        found = found + rows if direction == "next" else rows + found
        address = answer[direction]
    return found


def test_a_page_is_that_of_the_original(root: Any) -> None:
    answer = root.get("elasticc2/ppdbdiaobject/").json()
    assert (answer["count"], len(answer["results"]), answer["previous"]) == (346, 100, None)
    assert answer["next"].startswith(f"{root.url}/elasticc2/ppdbdiaobject/?limit=100&offset=100")
    assert list(answer["results"][0])[:5] == ["diaobject_id", "isddf", "simversion", "ra", "decl"]
    assert len(answer["results"][0]) == 73
    for query in ("limit=0", "limit=-5", "limit=x", "offset=-3", "offset=x"):
        assert root.get(f"elasticc2/ppdbdiaobject/?{query}").json()["results"] == answer["results"]


@pytest.mark.parametrize(
    ("path", "key", "count", "limit"),
    [("ppdbdiaobject", "diaobject_id", 346, 100), ("ppdbdiasource", "diasource_id", 1862, 900),
     ("ppdbdiaforcedsource", "diaforcedsource_id", 52172, 20_000)],
)  # fmt: skip
def test_every_row_comes_once_in_both_directions(root: Any, path: str, key: str, count: int, limit: int) -> None:
    start = f"{root.url}/elasticc2/{path}/?limit={limit}"
    forwards = follow(root, start, key)
    assert len(forwards) == count
    assert forwards == sorted(set(forwards))
    last = f"{start}&offset={count // min(limit, 10_000) * min(limit, 10_000)}"
    assert follow(root, last, key, "previous") == forwards
    # By offsets alone too, as clients that make their own addresses do.
    some = root.get(f"elasticc2/{path}/?limit=7&offset=300").json()
    assert [row[key] for row in some["results"]] == forwards[300:307]
    assert root.get(f"elasticc2/{path}/?offset=99999999").json()["results"] == []


def test_rows_name_their_object_as_the_original(root: Any) -> None:
    source = root.get("elasticc2/ppdbdiasource/155218500005/").json()
    assert list(source) == [
        "diasource_id", "midpointtai", "filtername", "ra", "decl", "psflux", "psfluxerr", "snr", "diaobject",
    ]  # fmt: skip
    for number in ("x", "1.5", "%20", "-", "99999999999999999999"):
        assert root.get(f"elasticc2/ppdbdiasource/{number}/").status_code == 404


def test_objects_with_photometry(root: Any) -> None:
    found = root.get("elasticc2/ppdbdiaobjectwithsources/1552185/").json()
    mjd = [row["midpointtai"] for row in found["diaforcedsources"]]
    assert len(mjd) == 132
    assert mjd == sorted(mjd)
    some = root.get("elasticc2/ppdbdiaobjectofsource/155218500005/").json()
    assert len(some["diasources"]) == 6
    assert some["diasources"][-1]["diasource_id"] == 155218500005
    assert root.get("elasticc2/ppdbdiaobjectofsource/5/").json() == {
        "detail": "No PPDBDiaSource matches the given query."
    }
    for method in ("POST", "PUT", "DELETE"):
        answer = root.request(method, "elasticc2/ppdbdiaobject/")
        assert (answer.status_code, answer.json()) == (405, {"detail": f'Method "{method}" not allowed.'})
