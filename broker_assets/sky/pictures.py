"""Sky plots of footprints: Mollweide projection with the Galactic plane."""

from __future__ import annotations

import io

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from mocpy import MOC
from numpy.typing import ArrayLike, NDArray

FOOTPRINT_COLOUR = "#d1495b"
CONTOUR_COLOURS = {90: "#f4c095", 50: "#ee964b", 10: "#d1495b"}
_PIXELS = (360, 720)


def footprint_png(
    moc: MOC | None = None,
    *,
    ra: ArrayLike | None = None,
    dec: ArrayLike | None = None,
    title: str = "",
    contours: dict[int, MOC] | None = None,
    width: float = 6.4,
) -> bytes:
    """Plot an area, the cones of a watchlist, or the contours of a sky map.

    Parameters
    ----------
    moc : mocpy.MOC, optional
        Area to fill.
    ra, dec : (n,) float array, optional
        Positions to mark, ICRS, degrees.
    title : str
        Title above the plot.
    contours : dict of int to mocpy.MOC, optional
        Credible regions by level in per cent; larger levels are drawn below smaller ones.
    width : float
        Inches, at 100 pixels per inch.

    Returns
    -------
    bytes
        PNG, about ten kilobytes; right ascension increases to the left, 0h is in the middle.

    Examples
    --------
    >>> footprint_png(MOC.from_str("1/0-3"))[:4]
    b'\\x89PNG'
    """
    # Imported here, since every process of the platform loads this module, and few of them plot.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, width * 0.56), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(projection="mollweide")
    layers = [
        (area, CONTOUR_COLOURS.get(level, "#edd9a3")) for level, area in sorted((contours or {}).items(), reverse=True)
    ]
    if moc is not None:
        layers.append((moc, FOOTPRINT_COLOUR))
    longitude = np.linspace(-np.pi, np.pi, _PIXELS[1] + 1)
    latitude = np.linspace(-np.pi / 2, np.pi / 2, _PIXELS[0] + 1)
    grid_x, grid_y = np.meshgrid((longitude[1:] + longitude[:-1]) / 2, (latitude[1:] + latitude[:-1]) / 2)
    for area, colour in layers:
        # a footprint smaller than a pixel of the plot must still be visible: use its cells one order coarser
        visible = area if area.max_order <= 7 else area.degrade_to_order(7)
        inside = visible.contains_lonlat(np.mod(-grid_x, 2 * np.pi).ravel() * u.rad, grid_y.ravel() * u.rad)
        shown = np.ma.masked_equal(inside.reshape(grid_x.shape).astype(float), 0.0)
        axes.pcolormesh(longitude, latitude, shown, cmap=ListedColormap([colour]), rasterized=True)
    if ra is not None and dec is not None:
        axes.plot(_centred(np.asarray(ra, np.float64)), np.radians(np.asarray(dec, np.float64)), ".",
                  color=FOOTPRINT_COLOUR, markersize=4)  # fmt: skip
    plane = SkyCoord(np.linspace(0, 360, 721) * u.deg, np.zeros(721) * u.deg, frame="galactic").icrs
    x, y = _centred(plane.ra.deg), plane.dec.rad
    order = np.argsort(x)
    axes.plot(x[order], y[order], color="#5c7fa3", linewidth=1, label="Galactic plane")
    axes.grid(color="#999999", linewidth=0.4, alpha=0.6)
    hours = [f"{hour}h" for hour in (10, 8, 6, 4, 2, 0, 22, 20, 18, 16, 14)]
    axes.set_xticks(np.radians(np.arange(-150, 151, 30)), hours, fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(loc="lower right", fontsize=6, frameon=False)
    if title:
        axes.set_title(title, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _centred(ra: NDArray[np.float64]) -> NDArray[np.float64]:
    """Right ascension in degrees as the abscissa of a plot with 0h in its middle and east to the left, radians."""
    return -np.radians(np.mod(ra + 180.0, 360.0) - 180.0)
