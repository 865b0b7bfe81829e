"""Light curves are written as they are read, in layouts that hold the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from broker_assets.api.tom import curve_answers
from broker_assets.api.tom.curve_answers import Form, answer
from broker_assets.tom.light_curves import HOST, POINTS, Curves


def some(first: int, objects: int, points: int) -> Curves:
    numbers = np.arange(first, first + objects)
    heads: dict[str, Any] = {"objectid": numbers, "ra": numbers / 7, "dec": -numbers / 7}
    heads |= {name: pa.array(np.full(objects, 0.1), pa.float32()) for name in HOST}
    owner = np.repeat(numbers, points)
    rows = {
        "objectid": owner,
        "mjd": 60000 + np.arange(len(owner)) / 3,
        "band": ["Y"] * len(owner),
        "flux": np.arange(len(owner)) / 7,
        "fluxerr": np.ones(len(owner)),
        "id": np.arange(len(owner)),
    }
    return Curves(pa.table(heads), pa.table(rows).cast(POINTS), np.arange(0, len(owner) + 1, points))


def written(curves: list[Curves], layout: Any, **form: Any) -> Any:
    request: Any = SimpleNamespace(headers={})
    found = answer(request, iter(curves), Form(layout, 27.5, **{"hosts": False, "constants": {}, **form}))

    async def gather() -> bytes:
        return b"".join([bytes(part) async for part in found.body_iterator])  # type: ignore[attr-defined]

    return json.loads(asyncio.run(gather()))["diaobject"]


@pytest.mark.parametrize("form", [{}, {"hosts": True}, {"constants": {"redshift": -99}}])
def test_layouts_hold_the_same(form: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # Columns go through files when they are large.
    monkeypatch.setattr(curve_answers, "IN_MEMORY", 16)
    given = [some(0, 3, 4), some(3, 1, 2), some(9, 0, 1), some(10, 2, 1)]
    rows = written(given, 0, **form)
    flat = [{**{k: v for k, v in row.items() if k != "photometry"}, **row["photometry"]} for row in rows]
    assert len(rows) == 6
    assert written(given, 1, **form) == flat
    columns = written(given, 2, **form)
    assert {name: [row[name] for row in flat] for name in flat[0]} == columns
    if form.get("hosts"):
        assert rows[0]["hostgal_mag_u"] == 0.1


def test_without_objects() -> None:
    assert written([], 0) == written([some(0, 0, 1)], 1) == []
    assert written([], 2)["objectid"] == []


def test_objects_are_read_only_when_they_are_wanted() -> None:
    read = []

    def curves() -> Iterator[Curves]:
        for place in range(3):
            read.append(place)
            yield some(place, 1, 1)

    request: Any = SimpleNamespace(headers={})
    answer(request, curves(), Form(0, 27.5, False, {}))
    # The first ones, so that what fails at once is an error of the request.
    assert read == [0]
