"""Columns of a catalogue in standard units, and sources where they are at an epoch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from broker_assets.context.catalogue import Sources


def test_what_a_catalogue_does_not_give_is_unknown(sources: Callable[..., Sources]) -> None:
    found = sources({"ra": 10.0, "dec": 20.0, "magnitude": 12.5}, {"ra": 11.0, "dec": -20.0})
    assert np.isnan(found.redshift).all()
    assert found.table()["magnitude"].to_pylist() == [12.5, None]
    assert Sources.of(found.table()).table().equals(found.table())


@pytest.mark.parametrize(
    ("row", "says"),
    [({"ra": 10.0, "dec": 91.0}, "not on the sky"), ({"ra": float("nan"), "dec": 1.0}, "not on the sky")],
)
def test_a_position_that_is_none_is_refused(sources: Callable[..., Sources], row: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        sources({"ra": 1.0, "dec": 2.0}, row)


def test_a_catalogue_without_positions_is_refused() -> None:
    with pytest.raises(ValueError, match="dec is absent"):
        Sources.of(pa.table({"identifier": ["a"], "ra": [1.0]}))


def test_barnards_star_moves(sources: Callable[..., Sources]) -> None:
    """Gaia DR3 4472832130942575872 at 2016.0 and, by SIMBAD's position, at 2000.0."""
    barnard = {
        "ra": 269.44850252543836,
        "dec": 4.739420051112412,
        "epoch": 2016.0,
        "pmra": -801.551,
        "pmdec": 10362.394,
    }
    found = sources(barnard, {"ra": 10.0, "dec": 5.0}).at(2000.0)
    assert found.ra[0] == pytest.approx(269.452076959, abs=1 / 3600 / 10)
    assert found.dec[0] == pytest.approx(4.693364967, abs=1 / 3600 / 10)
    assert (found.ra[1], found.dec[1]) == (10.0, 5.0)
