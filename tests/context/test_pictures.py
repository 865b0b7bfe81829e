"""Pictures for the pages of operators."""

from __future__ import annotations

import numpy as np

from broker_assets.context.pictures import classes_png, sky_png


def test_pictures_are_small_png() -> None:
    for picture in (
        classes_png({"SN": 100, "ORPHAN": 100_000, "VS": 0}),
        sky_png(np.arange(768)),
        sky_png(np.zeros(48, np.int64)),
    ):
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 60_000
