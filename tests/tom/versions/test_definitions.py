"""Names, priorities and aliases of versions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.definitions import KINDS, UnknownVersionError, VersionError

pytestmark = pytest.mark.database


def test_versions_are_found_by_every_name(connection: psycopg.Connection[Any]) -> None:
    assert definitions.names(connection) == ["default", "dr1", "only_dr1", "realtime"]
    dr1 = definitions.find(connection, "dr1")
    assert definitions.find(connection, str(dr1.identifier)) == dr1
    assert [(base.description, base.priority) for base in dr1.of("diasource")] == [("dr1", 10), ("realtime", 0)]
    assert dr1.reductions("diaforcedsource") == {1: 10, 0: 0}
    realtime = definitions.find(connection, "default")
    assert (realtime.description, realtime.aliases) == ("realtime", ("default",))
    base = realtime.of("diasource")[0]
    wanted = (base.identifier, "realtime", "diasource", ["dr1", "realtime"])
    assert definitions.find_base(connection, "realtime", "diasource") == wanted
    assert definitions.find_base(connection, str(base.identifier), None) == wanted
    with pytest.raises(VersionError, match="table is required"):
        definitions.find_base(connection, "realtime", None)
    for name in ("nothing", "5f0c8a8e-0000-4000-8000-000000000000", ""):
        with pytest.raises(UnknownVersionError, match=f"Unknown processing version {name}"):
            definitions.find(connection, name)
        with pytest.raises(UnknownVersionError):
            definitions.find_base(connection, name, "diasource")


def test_a_version_is_one_thing(connection: psycopg.Connection[Any], module_database_url: str) -> None:
    for name in ("", "a/b", " a", "x" * 201, "5f0c8a8e-0000-4000-8000-000000000000"):
        with pytest.raises(VersionError):
            definitions.add_base(connection, name)
    for bases, error in (
        ({"dr1": 1, "realtime": 1}, VersionError),
        ({"none": 1}, UnknownVersionError),
        ({}, VersionError),
    ):
        with pytest.raises(error):
            definitions.add_version(connection, "dr2", bases)
    with pytest.raises(VersionError, match="another name"):
        definitions.add_version(connection, "default", {"dr1": 1})
    with pytest.raises(VersionError, match="already"):
        definitions.add_version(connection, "dr1", {"dr1": 7})
    with pytest.raises(VersionError, match="name of a version"):
        definitions.set_alias(connection, "dr1", "realtime")
    definitions.set_alias(connection, "newest", "only_dr1")
    definitions.set_alias(connection, "newest", "dr1")
    assert definitions.find(connection, "newest").description == "dr1"

    def add(name: str) -> int:
        with engine.connect(module_database_url, autocommit=True) as own:
            return definitions.add_base(own, name)

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(add, ["one", "other"])
    assert sorted((one, other)) == [2, 3]
    with pytest.raises(VersionError, match="there is a base version one"):
        definitions.add_base(connection, "one")
    # Forced photometry of one reduction, detections of another one.
    definitions.add_version(connection, "mixed", {"one": 1}, kinds=["diaforcedsource"])
    definitions.add_version(
        connection, "mixed", {"other": 1}, kinds=[kind for kind in KINDS if kind != "diaforcedsource"]
    )
    mixed = definitions.find(connection, "mixed")
    assert (mixed.reductions("diaforcedsource"), mixed.reductions("diasource")) == ({one: 1}, {other: 1})
