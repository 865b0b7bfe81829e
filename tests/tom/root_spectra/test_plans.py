"""A facility has one plan for a thing."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts
from broker_assets.tom.root_spectra.plans import plan_root_spectrum, remove_root_plans
from broker_assets.tom.spectra.facilities import NotOfFacilityError
from broker_assets.tom.versions.curves import find_roots

pytestmark = pytest.mark.database
WHEN = datetime.datetime(2031, 1, 1, tzinfo=datetime.UTC)


def test_plans_are_replaced_and_belong_to_their_facility(connection: psycopg.Connection[Any]) -> None:
    anna, berta = (accounts.get(connection, name) for name in ("anna", "berta"))
    root = find_roots(connection, [1]).identifiers[0]
    for comment in ("first", "second"):
        plan_root_spectrum(connection, anna, root, "C8", WHEN, comment=comment)
    plan_root_spectrum(connection, anna, root, "C8", WHEN, is_host=True)
    rows = connection.execute("SELECT comment, is_host FROM plannedspectra ORDER BY is_host").fetchall()
    assert rows == [("second", False), (None, True)]
    with pytest.raises(NotOfFacilityError):
        remove_root_plans(connection, berta, root, "C8")
    assert remove_root_plans(connection, anna, root, "C8") == 2
    assert remove_root_plans(connection, berta, root, "C8") == 0
    # A plan of a facility that nobody has named here yet.
    connection.execute("INSERT INTO plannedspectra (root_diaobject_id, facility) VALUES (%s, 'old')", (root,))
    assert remove_root_plans(connection, berta, root, "old") == 1
