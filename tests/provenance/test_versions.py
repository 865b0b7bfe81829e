"""Exactly the descendants of a change are stale."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker_assets.database import engine
from broker_assets.provenance import versions
from broker_assets.provenance.versions import Artefact, Input

pytestmark = pytest.mark.database


def _made(asset: str, version: str, *inputs: tuple[str, str], partition: str = "", code: str = "1") -> Artefact:
    return Artefact(
        asset=asset,
        partition=partition,
        data_version=version,
        code_version=code,
        inputs=tuple(Input(asset=name, partition=partition, data_version=used) for name, used in inputs),
    )


@pytest.fixture
def chain(connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """catalogue → hits → notices, and archive → sources → hits, for two nights."""
    made = [_made("catalogue", "c1", code="")]
    for night in ("2026-01-01", "2026-01-02"):
        made.append(_made("archive", "a1", partition=night))
        made.append(_made("sources", "s1", ("archive", "a1"), partition=night))
        hits = _made("hits", "h1", ("sources", "s1"), partition=night)
        made.append(hits.model_copy(update={"inputs": (*hits.inputs, Input(asset="catalogue", data_version="c1"))}))
        made.append(_made("notices", "n1", ("hits", "h1"), partition=night))
    versions.record(connection, made)
    versions.deploy(connection, dict.fromkeys(("archive", "sources", "hits", "notices"), "1"))
    return connection


def _stale(connection: psycopg.Connection[Any], **which: str) -> list[tuple[str, str, str, int]]:
    return [(item.asset, item.partition, item.cause, item.depth) for item in versions.stale(connection, **which)]


def test_nothing_is_stale_at_first(chain: psycopg.Connection[Any]) -> None:
    assert versions.stale(chain) == []
    entry = versions.current(chain, "hits", "2026-01-01")
    assert entry is not None
    assert {item.asset for item in entry.inputs} == {"sources", "catalogue"}
    assert versions.current(chain, "hits", "2026-01-09") is None
    assert versions.data_versions(chain, "hits") == {"2026-01-01": "h1", "2026-01-02": "h1"}
    assert versions.data_versions(chain, "hits", ["2026-01-02"]) == {"2026-01-02": "h1"}


def test_an_input_of_one_night_concerns_that_night(chain: psycopg.Connection[Any]) -> None:
    assert versions.record(chain, [_made("archive", "a2", partition="2026-01-02")]) == 1
    assert _stale(chain) == [
        ("sources", "2026-01-02", "input", 0),
        ("hits", "2026-01-02", "upstream", 1),
        ("notices", "2026-01-02", "upstream", 2),
    ]
    assert versions.stale(chain)[0].reason == "input archive of 2026-01-02 a1 → a2"
    assert _stale(chain, asset="hits") == [("hits", "2026-01-02", "upstream", 1)]


def test_what_is_made_again_equal_stops_the_wave(chain: psycopg.Connection[Any]) -> None:
    versions.record(chain, [_made("archive", "a2", partition="2026-01-02")])
    versions.record(chain, [_made("sources", "s1", ("archive", "a2"), partition="2026-01-02")])
    assert versions.stale(chain) == []


def test_a_catalogue_concerns_all_nights(chain: psycopg.Connection[Any]) -> None:
    versions.record(chain, [_made("catalogue", "c2", code="")])
    assert sorted(_stale(chain)) == [
        ("hits", "2026-01-01", "input", 0),
        ("hits", "2026-01-02", "input", 0),
        ("notices", "2026-01-01", "upstream", 1),
        ("notices", "2026-01-02", "upstream", 1),
    ]


def test_new_code_concerns_its_asset_and_what_follows(chain: psycopg.Connection[Any]) -> None:
    assert versions.deploy(chain, {"hits": "2", "sources": "1"}) == ["hits"]
    assert {(item.asset, item.cause) for item in versions.stale(chain)} == {("hits", "code"), ("notices", "upstream")}
    assert "code 1 → 2" in {item.reason for item in versions.stale(chain)}


def test_an_input_that_is_gone_is_told(chain: psycopg.Connection[Any]) -> None:
    assert versions.forget(chain, "archive", "2026-01-01")
    assert not versions.forget(chain, "archive", "2026-01-01")
    assert _stale(chain)[0] == ("sources", "2026-01-01", "missing", 0)
    assert len(_stale(chain)) == 3


def test_the_same_version_again_is_no_change(chain: psycopg.Connection[Any]) -> None:
    same = _made("sources", "s1", ("archive", "a1"), partition="2026-01-01")
    assert versions.record(chain, [same]) == 0
    assert versions.record(chain, [same.model_copy(update={"data_version": "s2"})]) == 1
    history = chain.execute(
        "SELECT data_version FROM artefact_history WHERE asset = 'sources' AND \"partition\" = '2026-01-01'"
        " ORDER BY made_at"
    ).fetchall()
    assert history == [("s1",), ("s2",)]


def test_inputs_that_are_not_used_any_more_are_forgotten(chain: psycopg.Connection[Any]) -> None:
    versions.record(chain, [_made("hits", "h1", ("sources", "s1"), partition="2026-01-01")])
    versions.record(chain, [_made("catalogue", "c2", code="")])
    assert {item.partition for item in versions.stale(chain)} == {"2026-01-02"}


def test_contradictions_are_refused(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(ValueError, match="an artefact appears twice"):
        versions.record(connection, [_made("a", "1"), _made("a", "2")])
    with pytest.raises(ValueError, match="an input twice"):
        versions.record(connection, [_made("a", "1", ("b", "1"), ("b", "2"))])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), size=st.integers(1, 8))
def test_any_graph(module_database_url: str, data: st.DataObject, size: int) -> None:
    """Against a plain walk of the graph: artefact k is made from some of those before it."""
    inputs = [data.draw(st.sets(st.integers(0, max(k - 1, 0)), max_size=3)) if k else set() for k in range(size)]
    changed = data.draw(st.sets(st.integers(0, size - 1)))
    with engine.connect(module_database_url) as connection:
        made = [_made(f"x{k}", "1", *((f"x{i}", "1") for i in inputs[k])) for k in range(size)]
        versions.record(connection, made)
        # A changed artefact was made again from what it was made from before.
        versions.record(connection, [made[k].model_copy(update={"data_version": "2"}) for k in changed])
        found = {item.asset: item.depth for item in versions.stale(connection)}
        order = [item.asset for item in versions.stale(connection)]
        connection.rollback()
    expected: set[int] = set()
    for k in range(size):
        if inputs[k] & (changed | expected):
            expected.add(k)
    assert set(found) == {f"x{k}" for k in expected}
    for k in expected:
        for i in inputs[k] & expected:
            assert order.index(f"x{i}") < order.index(f"x{k}")
