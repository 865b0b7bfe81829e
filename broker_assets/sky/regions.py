"""MOCs of areas given as a polygon, a cone, STC-S or DS9 text."""

from __future__ import annotations

import re

import numpy as np
from mocpy import MOC
from numpy.typing import ArrayLike

from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.sky.areas import NotAnArea
from broker_assets.sky.ds9 import read_ds9
from broker_assets.sky.shapes import Shapes
from broker_assets.sky.stcs import WORDS, read_stcs


def cone_area(ra: float, dec: float, radius: float, *, order: int) -> MOC:
    """A cone as an area.

    Parameters
    ----------
    ra, dec : float
        Centre, ICRS, degrees.
    radius : float
        Degrees, above 0 and at most 180.
    order : int
        Maximum order of the MOC.

    Raises
    ------
    NotAnArea
        If the position or the radius is invalid.

    Examples
    --------
    >>> round(cone_area(10.0, 20.0, 1.0, order=9).sky_fraction * 41252.96, 1)
    3.6
    """
    return Shapes(order).circle("ICRS", ra, dec, radius)


def polygon_area(ra: ArrayLike, dec: ArrayLike, *, order: int) -> MOC:
    """A polygon with great-circle sides as an area; it lies in half of the sky.

    Parameters
    ----------
    ra, dec : (n,) float array
        Corners in order, ICRS, degrees; the last is joined to the first.
    order : int
        Maximum order of the MOC.

    Raises
    ------
    NotAnArea
        If there are fewer than three different corners, if they lie on one great circle or do not fit in half of the
        sky, or if a position is invalid.

    Examples
    --------
    >>> moc = polygon_area([359.0, 1.0, 1.0, 359.0], [-1.0, -1.0, 1.0, 1.0], order=9)
    >>> import astropy.units as u
    >>> moc.contains_lonlat([0.0, 180.0] * u.deg, [0.0, 0.0] * u.deg)
    array([ True, False])
    """
    return Shapes(order).polygon("ICRS", np.asarray(ra, np.float64).tolist(), np.asarray(dec, np.float64).tolist())


def region_area(text: str, *, order: int, limits: InputLimits = LIMITS) -> MOC:
    """A region as STC-S (IVOA TAP note) or DS9 text, as an area.

    Parameters
    ----------
    text : str
        ``CIRCLE ICRS 10 20 1``, ``POLYGON ICRS 1 2 3 4 5 6``, ``UNION ICRS (…)``, see `stcs`; or DS9 lines such as
        ``fk5; circle(10, 20, 0.5)``, united; excluded regions (``-circle``) are subtracted, see `ds9`.
    order : int
        Maximum order of the MOC.
    limits : InputLimits
        Shapes, corners, nested operators and cells, at most.

    Returns
    -------
    mocpy.MOC
        In ICRS: all cells that the region touches.

    Raises
    ------
    NotAnArea
        If the text is neither, a line of it is not understood or is not a shape with an extent on the sky, or the
        region is empty.

    Examples
    --------
    >>> region_area("CIRCLE ICRS 10.0 20.0 1.0", order=8) == region_area("icrs; circle(10d, 20d, 1d)", order=8)
    True
    """
    stripped = text.strip()
    if not stripped:
        raise NotAnArea("the region is an empty text")
    shapes = Shapes(order, limits)
    word = re.match(r"[A-Za-z]+", stripped)
    # A word of STC-S is followed by a space and a frame or parenthesis, one of DS9 directly by a parenthesis.
    is_stcs = word is not None and word[0].upper() in WORDS and re.match(r"[A-Za-z]+(?:\s|$)", stripped)
    moc = read_stcs(stripped, shapes, deepest=limits.region_depth) if is_stcs else read_ds9(stripped, shapes)
    if moc.empty():
        raise NotAnArea("the region covers nothing")
    return moc
