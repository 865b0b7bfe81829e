"""A spectrum as SVG, with the lines of elements at a redshift.

Colours come from classes in the style sheet of the pages; a file of its own includes its style.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LINES: Final[dict[str, tuple[float, ...]]] = {
    "H": (4101.7, 4340.5, 4861.3, 6562.8),
    "He I": (3888.6, 4471.5, 5875.6, 6678.2, 7065.2),
    "He II": (4685.7, 5411.5),
    "[O III]": (4958.9, 5006.8),
    "[O II]": (3727.4,),
    "O I": (7774.0,),
    "Na I": (5889.9, 5895.9),
    "Mg II": (2795.5, 2802.7, 4481.2),
    "Si II": (6347.1, 6371.4),
    "S II": (5433.0, 5606.0),
    "Ca II": (3933.7, 3968.5, 8498.0, 8542.1, 8662.1),
    "Fe II": (4924.0, 5018.4, 5169.0),
}
"""Rest wavelengths, Å in air (NIST Atomic Spectra Database, rounded)."""
_MOST: Final = 1500
"""Most steps that are drawn; finer structure is drawn as its range."""
_MARGINS: Final = (64.0, 12.0, 30.0, 40.0)


def spectrum_svg(
    wavelength: Floats,
    flux: Floats,
    *,
    unit: str = "",
    z: float = 0.0,
    elements: Collection[str] = (),
    title: str = "",
    size: tuple[int, int] = (800, 380),
    standalone: bool = False,
) -> str:
    """Draw a spectrum.

    Parameters
    ----------
    wavelength : (n,) float64 array
        Å, ascending.
    flux : (n,) float64 array
        In `unit`; NaN: a gap.
    unit : str
        Unit of the flux, for the axis.
    z : float
        Redshift of the lines.
    elements : collection of str
        Keys of `LINES` that are marked.
    title : str
        Text alternative of the drawing.
    size : (int, int)
        Width and height, pixels.
    standalone : bool
        Whether it is a file of its own.

    Returns
    -------
    str
        An `svg` element; text in it is escaped.
    """
    width, height = size
    left, right, top, bottom = _MARGINS[0], width - _MARGINS[1], _MARGINS[2], height - _MARGINS[3]
    low, high = float(wavelength[0]), float(wavelength[-1])
    floor, ceiling = _range(flux)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    def y(value: float) -> float:
        return min(max(bottom - (value - floor) / (ceiling - floor) * (bottom - top), top), bottom)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="curve" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img"><title>{escape(title or "Spectrum")}</title>'
    ]
    if standalone:
        parts.append(f"<style>{_STYLE}</style>" + f'<rect width="{width}" height="{height}" class="ground"/>')
    parts.append(f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" height="{bottom - top:g}" class="frame"/>')
    for value in _ticks(low, high, 4 if width < 500 else 7):
        at = f"{x(value):.1f}"
        parts.append(f'<path d="M{at} {top:g}V{bottom:g}" class="grid"/>')
        parts.append(f'<text x="{at}" y="{bottom + 16:g}" text-anchor="middle">{value:g}</text>')
    for value in _ticks(floor, ceiling, 5):
        at = f"{y(value):.1f}"
        parts.append(f'<path d="M{left:g} {at}H{right:g}" class="{"zero" if value == 0 else "grid"}"/>')
        parts.append(f'<text x="{left - 6:g}" y="{at}" dy=".35em" text-anchor="end">{value:.4g}</text>')
    parts.append(f'<text x="{(left + right) / 2:g}" y="{height - 6}" text-anchor="middle">wavelength, Å</text>')
    middle = (top + bottom) / 2
    parts.append(
        f'<text x="12" y="{middle:g}" text-anchor="middle" transform="rotate(-90 12 {middle:g})">'
        f"flux{escape(f', {unit}' if unit else '')}</text>"
    )
    parts += _marks(elements, z, low, high, x, top, bottom)
    parts.append(f'<path class="path spectrum" d="{_path(wavelength, flux, x, y)}"/></svg>')
    return "".join(parts)


def _marks(
    elements: Collection[str], z: float, low: float, high: float, x: object, top: float, bottom: float
) -> list[str]:
    parts = []
    used: list[float] = []
    for name in LINES:
        if name not in elements:
            continue
        for rest in LINES[name]:
            seen = rest * (1 + z)
            if not low <= seen <= high:
                continue
            at = x(seen)  # type: ignore[operator]
            parts.append(
                f'<path d="M{at:.1f} {top:g}V{bottom:g}" class="line"><title>{escape(name)} {rest:g} Å at rest,'
                f" {seen:.1f} Å here</title></path>"
            )
            if all(abs(at - other) > 34 for other in used):
                used.append(at)
                parts.append(f'<text x="{at:.1f}" y="{top - 8:g}" text-anchor="middle">{escape(name)}</text>')
    return parts


def _path(wavelength: Floats, flux: Floats, x: object, y: object) -> str:
    """The spectrum as steps between gaps; the smallest and largest flux where a step has many points."""
    per = max(1, math.ceil(wavelength.size / _MOST))
    parts: list[str] = []
    drawing = False
    for begin in range(0, wavelength.size, per):
        values = flux[begin : begin + per]
        known = values[np.isfinite(values)]
        if not known.size:
            drawing = False
            continue
        place = f"{x(float(wavelength[begin : begin + per].mean())):.1f}"  # type: ignore[operator]
        ends = (known.min(), known.max()) if per > 1 else (known[0],)
        for value in ends:
            parts.append(f"{'L' if drawing else 'M'}{place} {y(float(value)):.1f}")  # type: ignore[operator]
            drawing = True
    return "".join(parts)


def _range(flux: Floats) -> tuple[float, float]:
    """Limits of the vertical axis, so that single outliers do not hide the rest."""
    known = flux[np.isfinite(flux)]
    low, high = (float(value) for value in np.percentile(known, (0.5, 99.5)))
    inner = high - low
    low, high = max(float(known.min()), low - 0.5 * inner), min(float(known.max()), high + 0.5 * inner)
    if not high > low:
        pad = abs(high) * 0.1 or 1.0
        low, high = low - pad, high + pad
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _ticks(low: float, high: float, about: int) -> list[float]:
    step = 10.0 ** math.floor(math.log10((high - low) / about))
    step *= next((factor for factor in (1, 2, 5) if (high - low) / (step * factor) <= about), 10)
    return [round(number * step, 12) + 0.0 if step >= 1e-9 else number * step
            for number in range(math.ceil(low / step), math.floor(high / step) + 1)]  # fmt: skip


_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#1c2430}.ground{fill:#fff}.frame{fill:none;stroke:#7c8799}"
    ".grid{stroke:#e3e7ee;fill:none}.zero{stroke:#7c8799;fill:none}.path{fill:none;stroke:#2f5fd0;stroke-width:1.2}"
    ".line{fill:none;stroke:#9a6300;stroke-dasharray:4 3}"
)
