"""What is wanted, by version: not planned, not taken, bright enough, detected lately."""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts
from broker_assets.tom.root_spectra.plans import plan_root_spectrum
from broker_assets.tom.root_spectra.reports import RootReport, report_root_spectrum
from broker_assets.tom.root_spectra.requests import Request, request_root_spectra
from broker_assets.tom.root_spectra.wanted import RootChoice, wanted_root_spectra
from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.curves import find_roots

pytestmark = pytest.mark.database
NOW = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)


def test_choices(connection: psycopg.Connection[Any]) -> None:
    anna = accounts.get(connection, "anna")
    bright, faint = (find_roots(connection, [number]).identifiers[0] for number in (1, 3))
    asked = [Request(bright, 1, 5.0, 6.0), Request(bright, 3, 5.1, 6.1, True), Request(faint, 2, 40, 10)]
    request_root_spectra(connection, uuid.uuid4(), "me", asked)
    every = RootChoice(NOW, 61006.0)

    def found(version: str = "realtime", **limits: Any) -> list[tuple[str, bool]]:
        choice = dataclasses.replace(every, **limits)
        rows = wanted_root_spectra(connection, definitions.find(connection, version), choice)
        return [("bright" if one.root == bright else "faint", one.is_host) for one in rows]

    assert found() == [("bright", True), ("faint", False), ("bright", False)]
    assert found("only_dr1") == [("bright", True), ("bright", False)]
    assert found(now=NOW - datetime.timedelta(days=1)) == []
    assert found(since=NOW) == []
    assert found(requester="you") == []
    assert found(detected=61003.0) == [("bright", True), ("bright", False)]
    assert found(until=61002.0, detected=61001.5) == [("bright", True), ("faint", False), ("bright", False)]
    assert found(magnitude=24.0, is_host=False) == [("bright", False)]
    assert found(magnitude=26.5, band="g") == [("faint", False)]
    plan_root_spectrum(connection, anna, bright, "C8", NOW)
    assert found(claimed=NOW - datetime.timedelta(days=1)) == [("bright", True), ("faint", False)]
    report_root_spectrum(connection, anna, RootReport("C9", 61005.0, bright, is_host=True))
    assert found(taken=61004.0) == [("faint", False), ("bright", False)]
    assert found(taken=61005.5) == [("bright", True), ("faint", False), ("bright", False)]
    (one,) = wanted_root_spectra(
        connection, definitions.find(connection, "dr1"), dataclasses.replace(every, is_host=True)
    )
    assert (one.ra, one.dec, one.priority, one.detection.object) == (5.1, 6.1, 3, 2)
    assert one.forced is not None
    assert (one.forced.band, one.forced.mjd, one.forced.object) == ("Y", 61004.0, 2)
