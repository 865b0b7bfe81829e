"""Features of the light curve of each alert, as they were when it arrived."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import BANDS, by_width, fact_columns, metadata
from broker_assets.database.tables.objects import objects

FEATURE_COLUMNS = (
    *("firstdiasourcemjdtai", "lastdiasourcemjdtai", "latest_psfflux"),
    *(f"{band}_{name}" for band in BANDS for name in ("psfflux", "latestmjd")),
    *("medianr", "latestr", "nposdiasources", "nposdiasourcesnights", "nsourcesgood"),
    *(f"n{band}sources" for band in BANDS),
    *("absmag", "absmagmjd"),
    *("bbbriserate", "bbbfallrate", "bbbtemp", "bbbpeakflux", "bbbpeakmjd", "bbbpeakabsmag"),
    *("glat", "ebv", "jump1", "jump2"),
    *(
        f"{which}pair{name}"
        for which in ("latest", "penultimate")
        for name in ("mjd", "colourmag", "colourbands", "colourtemp")
    ),
)
"""Columns of `objects` that are computed from light curves."""

object_features = sa.Table(
    "object_features",
    metadata,
    *by_width(
        [
            *fact_columns(),
            *(
                sa.Column(item.name, item.type, comment=item.comment, info=item.info)
                for item in (objects.c[name] for name in FEATURE_COLUMNS)
            ),
        ]
    ),
    sa.Index("object_features_night", "night"),
    comment="Features of the light curve in each alert, as it was when it arrived; kept for some months",
)
"""Features of the light curve in each alert."""
