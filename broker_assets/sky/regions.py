"""MOCs of areas given as a polygon, a cone, STC-S or DS9 text."""

from __future__ import annotations

import re
import warnings

import astropy.units as u
import numpy as np
from astropy.coordinates import Latitude, Longitude
from mocpy import MOC
from numpy.typing import ArrayLike, NDArray

from broker_assets.sky.areas import NotAnArea
from broker_assets.sky.separation import check_positions

_DS9_EXAMPLE = "`icrs; circle(10d,20d,1d)`"


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
    _checked([ra], [dec])
    if not 0.0 < radius <= 180.0:
        raise NotAnArea(f"radius {radius} is not above 0 and at most 180 degrees")
    return MOC.from_cone(Longitude(ra, u.deg), Latitude(dec, u.deg), radius=radius * u.deg, max_depth=order)


def polygon_area(ra: ArrayLike, dec: ArrayLike, *, order: int) -> MOC:
    """A polygon with great-circle sides as an area; the smaller side of the sky is inside.

    Parameters
    ----------
    ra, dec : (n,) float array
        Corners in order, ICRS, degrees; the last is joined to the first.
    order : int
        Maximum order of the MOC.

    Raises
    ------
    NotAnArea
        If there are fewer than three different corners or a position is invalid.

    Examples
    --------
    >>> moc = polygon_area([359.0, 1.0, 1.0, 359.0], [-1.0, -1.0, 1.0, 1.0], order=9)
    >>> moc.contains_lonlat([0.0, 180.0] * u.deg, [0.0, 0.0] * u.deg)
    array([ True, False])
    """
    longitude, latitude = _checked(ra, dec)
    if len({(x, y) for x, y in zip(longitude.tolist(), latitude.tolist(), strict=True)}) < 3:
        raise NotAnArea("a polygon needs three different corners")
    moc = MOC.from_polygon(Longitude(longitude, u.deg), Latitude(latitude, u.deg), max_depth=order)
    return moc.complement() if moc.sky_fraction > 0.5 else moc


def region_area(text: str, *, order: int) -> MOC:
    """A region as STC-S (IVOA TAP note) or DS9 text, as an area.

    Parameters
    ----------
    text : str
        ``CIRCLE ICRS 10 20 1``, ``POLYGON ICRS 1 2 3 4 5 6``, ``UNION ICRS (…)``; or DS9 lines such as
        ``fk5; circle(10, 20, 0.5)``, united; excluded regions (``-circle``) are subtracted.
    order : int
        Maximum order of the MOC.

    Returns
    -------
    mocpy.MOC
        In ICRS.

    Raises
    ------
    NotAnArea
        If the text is neither, a line of it is not understood or is no shape with an extent on the sky, or the region
        is empty.

    Examples
    --------
    >>> region_area("CIRCLE ICRS 10.0 20.0 1.0", order=8) == region_area("icrs; circle(10d, 20d, 1d)", order=8)
    True
    """
    stripped = text.strip()
    if not stripped:
        raise NotAnArea("the region is an empty text")
    is_stcs = re.match(
        r"(?i)(circle|ellipse|box|polygon|position|union|intersection|difference|not|allsky)\s+[A-Z(]", stripped
    )
    moc = _from_stcs(stripped, order) if is_stcs else _from_ds9(stripped, order)
    if moc.empty():
        raise NotAnArea("the region covers nothing")
    return moc


def _from_stcs(text: str, order: int) -> MOC:
    try:
        return MOC.from_stcs(text, max_depth=order)
    except Exception as error:
        raise NotAnArea(f"not understood as STC-S: {error}") from error


def _from_ds9(text: str, order: int) -> MOC:
    from astropy.utils.exceptions import AstropyUserWarning
    from regions import PointSkyRegion, Regions, SkyRegion

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AstropyUserWarning)
        try:
            regions = Regions.parse(text, format="ds9")
        except Exception as error:
            raise NotAnArea(f"not understood as STC-S or DS9: {error}") from error
    # `regions` leaves out the lines that it cannot read, with a warning each; an area is taken whole or not at all.
    left_out = [str(warning.message) for warning in caught if issubclass(warning.category, AstropyUserWarning)]
    if left_out:
        reason = left_out[0].removesuffix(", skipping.")
        more = f" (and {len(left_out) - 1} more)" if len(left_out) > 1 else ""
        raise NotAnArea(f"not understood as STC-S or DS9: {reason}{more}; give a frame and a shape, as {_DS9_EXAMPLE}")
    if len(regions) == 0:
        raise NotAnArea("not understood as STC-S or DS9: no region in the text")
    inside, outside = MOC.new_empty(order), MOC.new_empty(order)
    for region in regions:
        if not isinstance(region, SkyRegion):
            raise NotAnArea(f"{type(region).__name__} is in pixels; give a frame of the sky, as {_DS9_EXAMPLE}")
        if isinstance(region, PointSkyRegion):  # a label is one, too; as a MOC it would be a single cell
            raise NotAnArea(
                f"{type(region).__name__} is a point or label and covers no area; remove it from the region"
            )
        try:
            part = MOC.from_astropy_regions(region, max_depth=order)
        except ValueError as error:
            kinds = "circle, annulus, ellipse, box and polygon"
            raise NotAnArea(f"{type(region).__name__} cannot be an area; {kinds} can") from error
        if region.meta.get("include", True):
            inside = inside.union(part)
        else:
            outside = outside.union(part)
    return inside.difference(outside)


def _checked(ra: ArrayLike, dec: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        return check_positions(ra, dec)
    except ValueError as error:
        raise NotAnArea(str(error)) from error
