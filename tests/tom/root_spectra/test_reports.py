"""Reports of spectra, of root objects and of positions."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts
from broker_assets.tom.root_spectra.reports import (
    RootReport,
    RootSelection,
    report_root_spectrum,
    reported_root_spectra,
)
from broker_assets.tom.versions.curves import find_roots

pytestmark = pytest.mark.database


def test_reports(connection: psycopg.Connection[Any]) -> None:
    anna = accounts.get(connection, "anna")
    root = find_roots(connection, [3]).identifiers[0]
    report_root_spectrum(connection, anna, RootReport("C8", 61000.125, root, z=0.1, class_description="Ia"))
    report_root_spectrum(connection, anna, RootReport("C8", 60000.0, ra=1.0, dec=2.0, is_host=True))
    with pytest.raises(ValueError, match="ra and dec"):
        report_root_spectrum(connection, anna, RootReport("C8", 60000.0, ra=1.0))
    first, second = reported_root_spectra(connection, RootSelection())
    assert (first["root_diaobject_id"], first["ra"], first["is_host"]) == (None, 1.0, True)
    assert (second["mjd"], second["z"], second["ra"], second["class_description"]) == (61000.125, 0.1, 40.0, "Ia")
    assert reported_root_spectra(connection, RootSelection(roots=[root], z_min=0.1, z_max=0.1)) == [second]
