"""Cones as a DS9 region file, to be overlaid on images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from broker_assets.sky.watchlists import Cones

_SAFE: Final = str.maketrans("{};", "(),")
"""Braces end a text and, for some readers, semicolons end a shape; neither can be escaped."""


def ds9_lines(cones: Cones, default_radius: float) -> Iterator[str]:
    """Lines of a region file, without line ends: a circle for each cone, with its name.

    Parameters
    ----------
    cones : Cones
        Cones; those without a radius get the default.
    default_radius : float
        arcsec.

    Examples
    --------
    >>> from broker_assets.sky.watchlists import parse_watchlist
    >>> list(ds9_lines(parse_watchlist(["10.5, -3.25, NGC {1}, 20", "11, -3"]), 5.0))[2:]
    ['circle(10.5,-3.25,20") # text={NGC (1)}', 'circle(11.0,-3.0,5")']
    """
    yield "# Region file format: DS9 version 4.1"
    yield "icrs"
    radius = np.where(np.isnan(cones.radius), default_radius, cones.radius)
    columns = (cones.ra.tolist(), cones.dec.tolist(), radius.tolist(), cones.name.to_pylist())
    for ra, dec, size, name in zip(*columns, strict=True):
        text = f" # text={{{name.translate(_SAFE)}}}" if name else ""
        yield f'circle({ra!r},{dec!r},{size:g}"){text}'
