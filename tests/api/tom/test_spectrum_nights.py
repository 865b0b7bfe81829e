"""Nights of spectra as files and documents; `test_spectrum_board` asks a server for one."""

from __future__ import annotations

import csv
import io

import pytest

from broker_assets.api.tom.spectrum_nights import BadNight, as_csv, as_document, middle_of, planned
from broker_assets.tom.spectra.visibility import OBSERVATORIES
from broker_assets.tom.spectra.wanted import Newest, Wanted

PARANAL = OBSERVATORIES[5]
WANTED = [
    Wanted(2**60, 60.0, -24.6, 'x, "y"', 5, {"g": Newest(61000.0, 19.5)}),
    Wanted(2, 60.0, 85.0, "z", 1, {}),
]


def test_a_night_is_written() -> None:
    night = planned(PARANAL, WANTED, middle_of(PARANAL, "2026-12-05"), 30.0)
    document = as_document(night)
    assert [(one["object"], one["magnitudes"]) for one in document["slots"]] == [(str(2**60), {"g": 19.5})]
    assert document["left"] == [{"object": "2", "why": "it is not up"}]
    [row] = csv.DictReader(io.StringIO(as_csv(night)))
    assert (row["object"], row["requester"], row["mags"]) == (str(2**60), 'x, "y"', "g=19.50")
    assert row["begin_utc"].startswith("2026-12-0")


def test_dates() -> None:
    assert middle_of(PARANAL, "2026-12-05").isoformat().startswith("2026-12-06T04:41")
    for wrong in ("soon", "1800-01-01"):
        with pytest.raises(BadNight):
            middle_of(PARANAL, wrong)
