"""Filters, watchlists and areas as files: what is exported and applied again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database.engine import connect
from broker_assets.filters.registry import list_filters
from broker_assets.ownership.definition_files import BadDefinitionFile, apply, export, read_file
from broker_assets.provenance.revisions import current_revision
from broker_assets.sky.overview import summaries

FILES: dict[str, dict[str, str]] = {
    "watchlist": {
        "a.yaml": "name: quasars\nradius: 3\ncones: |\n  187.2779, 2.0524, 3C 273\n  10, -20\n",
        "b.yaml": "name: 'odd: name'\npublic: true\nexpires: 2999-01-01\ncones: '1, 2'\n",
    },
    "area": {"a.yaml": "name: field\nmoc: CIRCLE ICRS 150 2 1\n", "b.yaml": "name: cells\nmoc: 3/1-4 5/97\n"},
    "filter": {
        "a.yaml": "name: bright\ndefinition: |\n  SELECT objects.ra\n  FROM objects\n  WHERE objects.ra > 2\n",
        "b.yaml": "name: form\ndefinition: |\n  selected: ra\n  tables: objects\n  conditions: ra > 3\n",
    },
}


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.mark.database
@pytest.mark.parametrize("kind", ["watchlist", "area", "filter"])
def test_there_and_back(connection: psycopg.Connection[Any], kind: Any) -> None:
    assert export(connection, "ann", kind) == {}
    pretended = apply(connection, "ann", kind, FILES[kind], pretend=True)
    assert [step.action for step in pretended] == ["new", "new"]
    assert export(connection, "ann", kind) == {}
    apply(connection, "ann", kind, FILES[kind])
    exported = export(connection, "ann", kind)
    assert len(exported) == 2
    assert export(connection, "bob", kind) == {}
    number = current_revision(connection)
    for files in (exported, FILES[kind]):
        assert {step.action for step in apply(connection, "ann", kind, files)} == {"same"}
    assert current_revision(connection) == number
    name = min(exported)
    changed = {name: exported[name].replace("description: ''", "description: mine")}
    assert [(step.action, step.changed) for step in apply(connection, "ann", kind, changed)] == [
        ("changed", ("description",)),
        ("kept", ()),
    ]
    assert [step.action for step in apply(connection, "ann", kind, {}, prune=True)] == ["removed", "removed"]
    assert export(connection, "ann", kind) == {}


@pytest.mark.database
def test_content_and_settings_are_changed(connection: psycopg.Connection[Any]) -> None:
    apply(connection, "ann", "watchlist", FILES["watchlist"])
    changed = "name: Quasars\nactive: false\nexpires: '2999-01-01T00:00:00+00:00'\nradius: 4\ncones: |\n  1, 2\n"
    steps = apply(connection, "ann", "watchlist", {"a.yaml": changed})
    assert set(steps[0].changed) == {"name", "active", "expires", "radius", "cones"}
    found: Any = summaries(connection, "watchlist", owner="ann", name="quasars")[0]
    assert (found.name, found.state, found.cones, found.radius) == ("Quasars", "inactive", 1, 4.0)
    apply(connection, "ann", "filter", FILES["filter"])
    apply(connection, "ann", "filter", {"a.yaml": FILES["filter"]["a.yaml"].replace("> 2", "> 5")})
    assert {one.name: one.version for one in list_filters(connection, owner="ann")} == {"bright": 2, "form": 1}


@pytest.mark.database
def test_one_wrong_file_changes_nothing(connection: psycopg.Connection[Any]) -> None:
    files = {**FILES["watchlist"], "c.yaml": "name: wrong\ncones: |\n  400, 2\n"}
    with pytest.raises(BadDefinitionFile, match=r"c\.yaml"):
        apply(connection, "ann", "watchlist", files)
    assert export(connection, "ann", "watchlist") == {}
    with pytest.raises(BadDefinitionFile, match="another file"):
        apply(
            connection,
            "ann",
            "watchlist",
            {"a.yaml": FILES["watchlist"]["a.yaml"], "d.yaml": "name: QUASARS\ncones: '1, 2'\n"},
        )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "not YAML"),
        ("- a", "must have the fields"),
        ("name: a\ncolour: red\ncones: '1, 2'", "no field 'colour'"),
        ("name: a", "cones is missing"),
        ("name: 5\ncones: '1, 2'", "name cannot be 5"),
        ("name: a\npublic: maybe\ncones: '1, 2'", "public cannot be 'maybe'"),
    ],
)
def test_files_that_cannot_be_read(text: str, says: str) -> None:
    with pytest.raises(BadDefinitionFile, match=says):
        read_file("watchlist", "x.yaml", text)
