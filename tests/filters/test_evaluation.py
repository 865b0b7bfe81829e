"""Filters that share a pass give what each gives by itself; rows as JSON."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.filters import evaluation
from broker_assets.filters.engine.sandbox import STARVED, Limits, Sandbox
from broker_assets.filters.evaluation import can_share, evaluate, json_number, row_texts
from broker_assets.filters.query import Form, check
from broker_assets.filters.schema import ALERT, NOW

ALERTS = 200


def tables() -> dict[str, pa.Table]:
    """Alerts with sources in no order, two of each object."""
    generator = np.random.default_rng(3)
    sources = generator.permutation(ALERTS) + 1000
    objects = sources // 2
    return {
        "objects": pa.table(
            {
                ALERT: sources,
                NOW: np.full(ALERTS, 61000.0),
                "diaobjectid": objects,
                "ndiasources": pa.array(generator.integers(1, 9, ALERTS), pa.int32()),
                "g_psfflux": pa.array(
                    [None if n % 7 == 0 else float(n % 50) / 10 for n in range(ALERTS)], pa.float32()
                ),
                "tns_name": pa.array([None if n % 3 else f"2025{n}" for n in range(ALERTS)]),
            }
        ),
        "watchlist_hits": pa.table(
            {
                ALERT: np.repeat(sources[:20], 2),
                "diaobjectid": np.repeat(objects[:20], 2),
                "wl_id": np.full(40, 3),
                "name": [f"c{n % 2}" for n in range(40)],
                "arcsec": [2.0 - n % 2 for n in range(40)],
            }
        ),
    }


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as found:
        yield found


TERMS = st.sampled_from(
    [
        "nDiaSources > 3", "nDiaSources % 2 = 1", "g_psfFlux > 2.5", "g_psfFlux IS NULL", "tns_name IS NOT NULL",
        "NOT g_psfFlux < 1", "g_psfFlux / nDiaSources > 0.4", "tns_name LIKE '2025%3'", "mjdnow() > 1",
    ]
)  # fmt: skip
SELECTED = st.sampled_from(["diaObjectId", "diaObjectId, g_psfFlux", "diaObjectId, g_psfFlux * 2 AS d, tns_name"])
CONDITIONS = st.lists(TERMS, min_size=1, max_size=3).flatmap(
    lambda terms: st.sampled_from([" AND ".join(terms), " OR ".join(terms)])
)


@settings(max_examples=20)
@given(st.lists(st.tuples(SELECTED, CONDITIONS), min_size=1, max_size=5))
def test_a_shared_pass_gives_what_each_filter_gives_alone(sandbox: Sandbox, filters: list[tuple[str, str]]) -> None:
    queries = [check(f"SELECT {selected} FROM objects WHERE {conditions}") for selected, conditions in filters]
    queries += [
        check(Form(f"objects.{selected.split(',')[0]}, watchlist_hits.arcsec", "watchlist:3", conditions))
        for selected, conditions in filters
    ]
    assert all(can_share(query) for query in queries)
    together = evaluate(sandbox, tables(), queries)
    for query, shared in zip(queries, together, strict=True):
        alone = evaluation._matches(query, sandbox.run([query.duckdb()])[0])
        assert shared.alerts.tolist() == alone.alerts.tolist()
        assert shared.rows == alone.rows
        assert shared.numbers.tolist() == alone.numbers.tolist()


def test_several_rows_of_an_alert_are_one_match(sandbox: Sandbox) -> None:
    form = ("objects.diaObjectId, watchlist_hits.name", "objects, watchlist:3")
    ordered = check(Form(*form, "objects.nDiaSources > 0 ORDER BY watchlist_hits.arcsec"))
    plain, absent = check(Form(*form)), check(Form("objects.diaObjectId", "objects, watchlist:4"))
    first, second, none = evaluate(sandbox, tables(), [ordered, plain, absent])
    assert len(first.alerts) == len(second.alerts) == 20
    assert set(first.numbers.tolist()) == {2}
    assert {json.loads(row)["name"] for row in first.rows} == {"c1"}  # the nearest
    assert {json.loads(row)["name"] for row in second.rows} == {"c0"}  # the first as text
    assert (len(none.alerts), none.seconds) == (0, None)  # it did not even run


def test_what_did_not_run_is_said(sandbox: Sandbox) -> None:
    query = check("SELECT diaObjectId FROM objects")
    with Sandbox(Limits(seconds=1e-9)) as slow:
        [found] = evaluate(slow, tables(), [query])
        assert found.problem == STARVED
    with Sandbox(Limits(memory=0)) as broken:
        [found] = evaluate(broken, tables(), [query])
        assert found.problem == STARVED
        assert "cannot run over this batch" in found.message
    empty = {name: table.slice(0, 0) for name, table in tables().items()}
    assert evaluate(sandbox, empty, [query])[0].problem is None


def test_rows_are_json_of_everyone() -> None:
    rows = pa.table(
        {
            "a": [1, None],
            "b": [float("nan"), float("inf")],
            "c": pa.array([datetime.datetime(2025, 1, 2, tzinfo=datetime.UTC), None], pa.timestamp("us", tz="UTC")),
            "d": ["ü\n", None],
            "e": [True, None],
        }
    )
    names = ["A", "b", "c", "d", "e"]
    assert [json.loads(text) for text in row_texts(rows, names)] == [
        {"A": 1, "b": None, "c": "2025-01-02T00:00:00+00:00", "d": "ü\n", "e": True},
        dict.fromkeys(names),
    ]
    assert "NaN" not in "".join(row_texts(rows, names))


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers_keep_their_value(value: float) -> None:
    found = json_number(value)
    if not np.isfinite(value):
        assert found is None
    else:
        assert found is not None
        assert found == value or np.float32(found) == np.float32(value) == value
