"""Product files as read by unmodified `stixpy`, the reader that users of the instrument have.

Anything that `stixpy` 0.2.1 cannot do with any file of a kind, including the original's, is left out here: its class of
visibilities takes arguments other than those its factory gives, and raw pixel data have no errors from which to make a
spectrum.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from stixpy.product import Product
from stixpy.product.product_factory import read_qtable
from stixpy.product.sources.quicklook import QLFlareFlag
from stixpy.product.sources.science import RawPixelData, ScienceData, Visibility

VISIBILITIES = "sci-xray-vis"


def opened(path: Path) -> Any:
    """A file of level L1 as its class in `stixpy`, with everything of it used that `stixpy` offers."""
    found = _visibilities(path) if VISIBILITIES in path.name else Product(path)
    assert len(found.data) > 0
    if isinstance(found, ScienceData):
        _use(found)
    if isinstance(found, QLFlareFlag):
        for indices in (found.thermal_index, found.non_thermal_index, found.location_flag):
            assert len(indices) == len(found.data)
        assert len(found.flare_location) == len(found.data)
    if hasattr(found, "time_range"):
        assert found.time_range.end >= found.time_range.start
        assert type(found).__name__ in repr(found)
    return found


def limits(found: Any) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper energies, NaN where astropy masks them."""
    low, high = (found._energies[name] for name in ("e_low", "e_high"))
    return tuple(np.asarray(getattr(column, "unmasked", column).value) for column in (low, high))  # type: ignore[return-value]


def _use(found: ScienceData) -> None:
    planes = len(found.energies)
    low, high = limits(found)
    # The last channel has no upper limit.
    assert not np.isnan(low).any()
    assert not np.isnan(high[:-1]).any()
    if isinstance(found, Visibility):
        assert found.data["flux"].shape[-1] == planes
        return
    assert found.data["counts"].shape[-1] == planes
    assert len(found.dE) == planes
    if isinstance(found, RawPixelData):
        return
    counts, errors, times, _, energies = found.get_data()
    assert counts.shape == errors.shape
    assert (counts.shape[0], counts.shape[-1]) == (len(times), len(energies)) == (len(found.data), planes)
    finite = ~np.isnan(high)
    assert not np.isnan(counts[..., finite]).any()
    one, *_ = found.get_data(energy_indices=[0], time_indices=[0])
    assert one.shape[-1] == 1
    whole, *_ = found.get_data(energy_indices=[[0, max(int(finite.sum()) - 1, 0)]])
    assert whole.shape[-1] == 1


def _visibilities(path: Path) -> Visibility:
    tables = {name.lower(): read_qtable(path, hdu=name) for name in ("CONTROL", "DATA", "ENERGIES")}
    header = Product._read_file(path)[0]["meta"]
    return Visibility(header=header, **tables)
