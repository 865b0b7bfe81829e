"""Tables as pandas and astropy have them."""

from __future__ import annotations

import pyarrow as pa

from broker_assets.client.rows import Rows

ROWS = Rows(
    pa.table(
        {
            "id": pa.array([2**62 + 1, None], pa.int64()),
            "flux": pa.array([0.5, None], pa.float32()),
            "good": pa.array([True, None]),
            "band": pa.array(["r", None]),
        }
    )
)


def test_identifiers_stay_exact() -> None:
    frame = ROWS.to_pandas()
    assert frame["id"][0] == 2**62 + 1
    assert frame["id"].isna().tolist() == [False, True]
    table = ROWS.to_astropy()
    assert table["id"][0] == 2**62 + 1
    assert table["band"].mask.tolist() == [False, True]
    assert table["good"].tolist() == [True, None]


def test_as_a_sequence() -> None:
    assert (len(ROWS), ROWS.columns, ROWS[-1]["band"]) == (2, ["id", "flux", "good", "band"], None)
    assert [row["band"] for row in ROWS] == ["r", None]
    assert ROWS.to_arrow().num_rows == 2
