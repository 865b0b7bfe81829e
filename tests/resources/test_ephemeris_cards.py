"""Fresh ephemeris cards and reasons of requests, as the layers above pass them to the publisher."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from astropy.io import fits

from broker_assets.resources.ephemeris_cards import ephemeris_refresh, request_reason
from broker_assets.telemetry.inputs.kernels import Kernels


def test_without_kernels_and_tables_there_are_no_functions() -> None:
    assert ephemeris_refresh(None) is None
    assert request_reason(None) is None


@pytest.mark.shared
def test_fresh_cards_are_those_of_the_original(shared_folder: Path) -> None:
    kernels = Kernels.of_folder(shared_folder / "data" / "stix" / "run_inputs" / "kernels")
    refresh = ephemeris_refresh(kernels)
    assert refresh is not None
    folder = shared_folder / "golden" / "stix" / "products" / "PUB" / "esa"
    compared = 0
    for path in folder.glob("solo_L1_stix-[hq]*.fits"):
        header = fits.getheader(path)
        cards = {keyword: value for keyword, value, _ in refresh(header)}
        assert len(cards) > 20
        for keyword, value in cards.items():
            # The original gives HAEZ the value of HAEX and OBS_VR the speed; of the clock see docs/telemetry.md.
            if isinstance(value, float) and keyword not in ("HAEZ_OBS", "OBS_VR"):
                assert math.isclose(value, header[keyword], rel_tol=1e-8, abs_tol=1e-6), keyword
                compared += 1
    assert compared > 60


@pytest.mark.shared
def test_times_without_kernels_and_headers_without_times_give_none(shared_folder: Path) -> None:
    refresh = ephemeris_refresh(Kernels.of_folder(shared_folder / "data" / "stix" / "run_inputs" / "kernels"))
    assert refresh is not None
    assert refresh(fits.Header()) == []
    assert refresh(fits.Header({"DATE-AVG": "not a time", "DATE-BEG": "2021-01-16T00:00:00"})) == []
    late = fits.Header({"DATE-AVG": "2090-01-16T00:00:00.000", "DATE-BEG": "2090-01-16T00:00:00.000"})
    assert refresh(late) == []


def test_reasons_of_requests(tmp_path: Path) -> None:
    table = tmp_path / "requests.csv"
    table.write_text("_id,unique_id,subject,purpose,comment\n1,7,flare,,late\n")
    reason = request_reason(table)
    assert reason is not None
    assert (reason(7), reason(8)) == ("flare, late", "")
    with pytest.raises(FileNotFoundError):
        request_reason(tmp_path / "none.csv")
