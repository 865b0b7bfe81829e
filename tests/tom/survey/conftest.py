"""Light curves of the simulated survey: a small one, and that of the shared data, read once."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from broker_assets.tom.survey.reconstruction import LightCurves
from broker_assets.tom.survey.snana import SurveyRows, dump_file, head_files, read_pair, read_truth


@pytest.fixture(scope="session")
def simulated(shared_folder: Path) -> tuple[SurveyRows, pa.Table]:
    """Rows of the shared simulation, and its truth."""
    folders = sorted((shared_folder / "data" / "desc_tom" / "elasticc2_alert_test_data").iterdir())
    pairs = [read_pair(head) for folder in folders for head in head_files(folder)]
    rows = SurveyRows(
        *(pa.concat_tables([getattr(one, name) for one in pairs]) for name in ("objects", "sources", "forced"))
    )
    return rows, pa.concat_tables([read_truth(dump_file(folder)) for folder in folders])


@pytest.fixture(scope="session")
def simulated_curves(simulated: tuple[SurveyRows, pa.Table]) -> LightCurves:
    """The shared simulation, sorted."""
    rows, _ = simulated
    return LightCurves.of(rows.objects, rows.sources, rows.forced)


@pytest.fixture(scope="session")
def small_curves(tmp_path_factory: pytest.TempPathFactory) -> LightCurves:
    """Two objects: 7 with points in several nights, 8 with two points at the same time."""
    from snana_files import light_curve, write_simulation

    nights = [60200.0, 60270.1, 60299.0, 60300.0, 60300.2, 60300.6, 60310.0, 60700.0]
    detected = [False, False, False, True, True, True, False, True]
    head = write_simulation(
        tmp_path_factory.mktemp("simulation") / "SMALL",
        {8: light_curve([60400.0, 60400.0, 60401.0]), 7: light_curve(nights, detected=detected)},
    )
    rows = read_pair(head)
    return LightCurves.of(rows.objects, rows.sources, rows.forced)
