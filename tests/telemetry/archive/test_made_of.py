"""Lines of a header that say what a file was made of."""

from __future__ import annotations

import datetime

from broker_assets.telemetry.archive.code_versions import file_code_version
from broker_assets.telemetry.archive.input_versions import (
    CONFIGURATION,
    DATABASE,
    KERNELS,
    REQUESTS,
    InputVersions,
)
from broker_assets.telemetry.archive.made_of import Provenance
from broker_assets.telemetry.products.levels.level0 import Inputs

DAY = datetime.date(2021, 1, 17)


def test_lines_name_code_and_the_inputs_of_the_level(open_inputs: Inputs) -> None:
    provenance = Provenance(open_inputs)
    of_day = InputVersions(open_inputs).of(DAY, ())
    zero, one = (provenance.lines(level, "ql-lightcurve", DAY) for level in ("L0", "L1"))
    assert zero[0] == f"made by {file_code_version('L0', 'ql-lightcurve', {})}"
    named = {line.split(" ")[2]: line.split(" ", 3)[3] for line in one[1:]}
    assert named.items() <= of_day.items()
    assert {DATABASE, CONFIGURATION} <= named.keys()
    assert {line.split(" ")[2] for line in zero[1:]} <= {DATABASE, CONFIGURATION}
    assert (KERNELS in named) == (KERNELS in of_day)
    assert REQUESTS not in named


def test_a_request_names_its_table(open_inputs: Inputs) -> None:
    provenance = Provenance(open_inputs)
    lines = provenance.lines("L1", "sci-xray-cpd", DAY, (1234567,))
    expected = InputVersions(open_inputs).of(DAY, (1234567,))
    assert (f"made with {REQUESTS} {expected[REQUESTS]}" in lines) == (REQUESTS in expected)
    assert provenance.lines("L1", "sci-xray-cpd", DAY, (1234567,)) == lines
