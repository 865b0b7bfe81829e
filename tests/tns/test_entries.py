"""Entries of the Transient Name Server by name."""

from __future__ import annotations

import pytest

from broker_assets.database import engine
from broker_assets.tns.entries import entry

pytestmark = pytest.mark.database


def test_an_entry_is_found_by_its_name(module_database_url: str) -> None:
    with engine.connect(module_database_url) as connection:
        connection.execute(
            "INSERT INTO crossmatch_tns (objid, tns_name, tns_prefix, type, z, ra, decl, lastmodified_date, htm16)"
            " VALUES (1, '2023ixf', 'SN', 'SN II', 0.0008, 210.9, 54.3, now(), 0)"
        )
        found = entry(connection, "2023ixf")
        assert found is not None
        assert (found["tns_prefix"], found["type"], found["host_name"]) == ("SN", "SN II", None)
        assert entry(connection, "2023zzz") is None
        assert entry(connection, None) is None
