"""Reads one-dimensional spectra from files: FITS tables, FITS images and text.

What a file does not say is not guessed, with one exception: wavelengths without a unit are taken to be in Å if all are
between 1,000 and 60,000, as in optical spectra, and the reader says so. Columns of a table are found by name.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.storage.fits_headers import refuse_impossible

Floats = NDArray[np.float64]

LARGEST: Final = 8 * 1024**2
"""Largest file, bytes."""
FEWEST: Final = 2
MOST: Final = 200_000
"""Smallest and largest number of points of a spectrum."""
WAVELENGTHS: Final = ("wavelength", "wave", "lambda", "lam", "wl", "angstrom", "awav", "loglam", "spectral_axis")
FLUXES: Final = ("flux", "flam", "fnu", "flux_density", "f_lambda", "flux_reduced", "spec", "counts", "intensity")
ERRORS: Final = (
    "error", "err", "flux_err", "fluxerr", "flux_error", "sigma", "uncertainty", "stddev", "err_reduced", "flux_unc",
)  # fmt: skip
"""Names of columns; the first one that a file has counts."""
_PLAUSIBLE: Final = (1_000.0, 60_000.0)
_ANGSTROM: Final[dict[str, float]] = {
    "angstrom": 1.0, "angstroms": 1.0, "a": 1.0, "å": 1.0, "aa": 1.0, "ang": 1.0, "nm": 10.0, "nanometer": 10.0,
    "nanometers": 10.0, "um": 1e4, "µm": 1e4, "μm": 1e4, "micron": 1e4, "microns": 1e4, "micrometer": 1e4, "m": 1e10,
}  # fmt: skip
"""Units of length in Å."""
_COLUMN: Final = re.compile(r"([A-Za-z_µμÅ][^\s,;|\[\]()]*)\s*(?:\[([^\]]*)\]|\(([^)]*)\))?")
"""Name of a column, and its unit in brackets, also after a blank."""
_OTHER_UNIT: Final = re.compile(r"(?i)\b(nm|nanomet(?:er|re)s?|um|[µμ]m|microns?|micromet(?:er|re)s?)\b")
_OF_WAVELENGTHS: Final = re.compile(r"(?i)wav|lambda|λ|unit")
_COMMAS: Final = re.compile(r"(?=.*\d,\d).*\d(\s*[;|]|\s+[-+.\d])")
"""Numbers with commas between digits that are separated by something else."""
_SPLIT: Final = re.compile(r"\s*[,;|\t]\s*|\s+")
_CARD: Final = re.compile(r"([A-Za-z][A-Za-z_0-9 -]{0,30})\s*[:=]\s*(.{1,200})")


class BadSpectrum(ValueError):
    """A file is not a spectrum that can be read; the message says what is wrong, and where."""


@dataclass(frozen=True)
class Spectrum:
    """A spectrum; arrays have a value for each point."""

    format: str
    """FITS table, FITS image or text."""
    wavelength: Floats
    """Å, ascending; in air or vacuum, as in the file."""
    flux: Floats
    """In `flux_unit`; NaN: no value."""
    uncertainty: Floats | None
    """1σ."""
    flux_unit: str
    """As written in the file; empty: unknown."""
    about: dict[str, str]
    """Content of the header: `object`, `mjd`, `date`, `time`, `scale`, `instrument`, `telescope`, as far as present."""
    notes: tuple[str, ...] = ()
    """Assumptions that were made."""


def read_spectrum(content: bytes, name: str = "") -> Spectrum:
    """Read a spectrum.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        File name, for messages.

    Returns
    -------
    Spectrum

    Raises
    ------
    BadSpectrum
        If it cannot be read.

    Examples
    --------
    >>> found = read_spectrum(b"# wavelength[nm] flux\\n500 1.5\\n501 1.25\\n")
    >>> found.format, found.wavelength.tolist(), found.flux.tolist()
    ('text', [5000.0, 5010.0], [1.5, 1.25])
    """
    if not content.strip():
        raise BadSpectrum("the file is empty")
    if len(content) > LARGEST:
        raise BadSpectrum(f"the file has {len(content):,} bytes; at most {LARGEST:,} are read")
    if content[:2] == b"\x1f\x8b":
        content = _unpacked(content)
    if content[:9] == b"SIMPLE  =":
        return _from_fits(content)
    return _from_text(content)


def _unpacked(content: bytes) -> bytes:
    import zlib

    try:
        unpacker = zlib.decompressobj(wbits=31)
        found = unpacker.decompress(content, LARGEST + 1)
    except zlib.error as error:
        raise BadSpectrum(f"the file is a damaged gzip file: {error}") from None
    if len(found) > LARGEST:
        raise BadSpectrum(f"the file has more than {LARGEST:,} bytes when it is unpacked")
    if not unpacker.eof:
        raise BadSpectrum("the file is a gzip file without its end")
    return found


def _from_fits(content: bytes) -> Spectrum:
    import warnings

    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            refuse_impossible(content)
            with fits.open(io.BytesIO(content), memmap=False, lazy_load_hdus=False) as units:
                about = _about([unit.header for unit in units])
                for unit in units:
                    if isinstance(unit, fits.BinTableHDU | fits.TableHDU) and (found := _from_table(unit, about)):
                        return found
                for unit in units:
                    if getattr(unit, "is_image", False) and (found := _from_image(unit, about)):
                        return found
        except BadSpectrum:
            raise
        # The library may raise anything for a file from a user.
        except Exception as error:  # noqa: BLE001
            raise BadSpectrum(f"the FITS file is damaged: {type(error).__name__}: {str(error)[:200]}") from None
    raise BadSpectrum("the FITS file has neither a table with wavelengths and fluxes nor an image with a spectral axis")


def _from_table(unit: Any, about: dict[str, str]) -> Spectrum | None:
    columns = {str(one.name).strip().lower(): one for one in unit.columns}
    wave, flux, error = (_first(names, columns) for names in (WAVELENGTHS, FLUXES, ERRORS))
    if wave is None or flux is None or unit.data is None:
        return None
    values = {name: np.asarray(unit.data[columns[name].name]) for name in (wave, flux, error) if name is not None}
    if any(one.dtype.kind not in "fiu" for one in values.values()):
        raise BadSpectrum(f"the columns {', '.join(values)} are not numbers")
    # One row with arrays, as in ESO's archive, or one row for each point.
    arrays = {name: np.asarray(one, np.float64).ravel() for name, one in values.items()}
    wavelength, notes = _in_angstrom(arrays[wave], str(columns[wave].unit or ""), logarithm=wave == "loglam")
    uncertainty = arrays[error] if error is not None else None
    return _checked("FITS table", wavelength, arrays[flux], uncertainty, str(columns[flux].unit or ""), about, notes)


def _from_image(unit: Any, about: dict[str, str]) -> Spectrum | None:
    if unit.data is None or unit.data.size < FEWEST or "CRVAL1" not in unit.header:
        return None
    header, data = unit.header, np.asarray(unit.data, np.float64)
    if data.ndim > 1 and sum(size > 1 for size in data.shape) > 1:
        # IRAF's multispec: the first band is the spectrum, the last its uncertainty.
        bands = data.reshape(-1, data.shape[-1])
        if data.ndim != 3 or data.shape[1] != 1:
            raise BadSpectrum(f"the image has {data.ndim} axes of {data.shape[::-1]} pixels: a spectrum has one axis")
        data, uncertainty = bands[0], bands[-1] if len(bands) == 4 else None
    else:
        data, uncertainty = data.ravel(), None
    # Where there is CD, CDELT does not count (FITS Standard 4.0, section 8.1.2).
    step = float(header.get("CD1_1") or 0.0) or float(header.get("CDELT1") or 0.0) * float(header.get("PC1_1", 1.0))
    if not step or not math.isfinite(step):
        raise BadSpectrum("the header has the wavelength of a pixel (CRVAL1), and no step (CDELT1 or CD1_1)")
    pixels = np.arange(1, data.size + 1) - float(header.get("CRPIX1", 1.0))
    begin, unit_of_axis = float(header["CRVAL1"]), str(header.get("CUNIT1", "") or "")
    axis, logarithm = begin + pixels * step, int(header.get("DC-FLAG", 0) or 0) == 1
    kind = str(header.get("CTYPE1", "")).strip().upper()
    if not logarithm and kind in ("WAVE-LOG", "AWAV-LOG") and (begin >= 10 or unit_of_axis):
        # Greisen et al. (2006), A&A 446, 747, equation 5: the reference value is a wavelength.
        with np.errstate(over="ignore"):
            axis = begin * np.exp(pixels * step / begin)
    else:
        logarithm |= kind.endswith("LOG")
    wavelength, notes = _in_angstrom(axis, unit_of_axis, logarithm=logarithm)
    return _checked("FITS image", wavelength, data, uncertainty, str(header.get("BUNIT", "") or ""), about, notes)


def _from_text(content: bytes) -> Spectrum:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if "\0" in text:
        raise BadSpectrum("the file is neither FITS nor text")
    about: dict[str, str] = {}
    headers: list[_Header] = []
    comments: list[str] = []
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.strip()
        comment = plain.startswith(("#", "%", "!", ";", "//"))
        words = plain.lstrip("#%!;/ ").strip()
        if not words:
            continue
        cells = [cell for cell in _SPLIT.split(words) if cell]
        if not comment and (values := _numbers(cells)) is not None:
            if _COMMAS.match(words):
                raise BadSpectrum(f"line {number} has commas within numbers, {plain[:40]!r}: write decimal points")
            if rows and len(values) != len(rows[0]):
                raise BadSpectrum(f"line {number} has {len(values)} numbers, and those before it {len(rows[0])}")
            rows.append(values)
            if len(rows) > MOST:
                raise BadSpectrum(f"the file has more than {MOST:,} points")
            continue
        comments += [words] if comment else []
        card = _CARD.fullmatch(words)
        if comment and card is not None:
            about[card[1].strip().lower()] = card[2].strip()
        elif not rows and (header := _header(words, comment=comment)) is not None:
            headers.append(header)
        elif not comment:
            raise BadSpectrum(f"line {number} is neither numbers nor a comment: {plain[:60]!r}")
    if not rows or len(rows[0]) < 2:
        raise BadSpectrum("the file has no lines of a wavelength and a flux")
    table = np.array(rows, np.float64)
    names, units = _named(headers, table.shape[1])
    places = {name: place for place, name in enumerate(names)}
    wave, flux, error = (_first(known, places) for known in (WAVELENGTHS, FLUXES, ERRORS))
    notes: tuple[str, ...] = ()
    if wave is None or flux is None:
        notes = ("no line names the columns: they are taken for wavelength, flux and uncertainty",)
        columns = (0, 1, 2 if table.shape[1] > 2 else None)
        unit = ""
    else:
        columns = (places[wave], places[flux], places[error] if error is not None else None)
        unit = units[columns[0]]
    if not unit and wave != "loglam":
        said = next((one for one in comments if _OTHER_UNIT.search(one) and _OF_WAVELENGTHS.search(one)), None)
        if said is not None:
            raise BadSpectrum(
                f"the wavelengths have no unit, and a comment names another one than Å, {said[:60]!r}: write it behind"
                " the name of the column, as in `wavelength[nm]`"
            )
    wavelength, more = _in_angstrom(table[:, columns[0]], unit, logarithm=wave == "loglam")
    uncertainty = table[:, columns[2]] if columns[2] is not None else None
    flux_unit = units[columns[1]] if wave is not None and flux is not None else ""
    return _checked("text", wavelength, table[:, columns[1]], uncertainty, flux_unit, _plain(about), notes + more)


@dataclass(frozen=True)
class _Header:
    """A line that may name the columns, or give their units."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    comment: bool


def _header(words: str, *, comment: bool) -> _Header | None:
    found = list(_COLUMN.finditer(words))
    if len(found) < 2 or _COLUMN.sub("", words).strip(" \t,;|"):
        return None
    names, units = [], []
    for one in found:
        name, unit = one[1].strip("_").lower(), one[2] or one[3] or ""
        stem, _, last = name.rpartition("_")
        if stem in WAVELENGTHS and last in _ANGSTROM:
            name, unit = stem, unit or last
        names.append(name)
        units.append(unit.strip())
    return _Header(tuple(names), tuple(units), comment)


def _named(headers: Sequence[_Header], columns: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of the columns; empty if no line names them.

    A comment may be any sentence, and is one if it has other words than the columns have names.
    """
    usable = [one for one in headers if len(one.names) <= columns]
    chosen = [one for one in usable if _first(WAVELENGTHS, one.names) and _first(FLUXES, one.names)]
    if not chosen:
        known = {*WAVELENGTHS, *FLUXES, *ERRORS}
        for one in usable:
            if known.intersection(one.names) and (not one.comment or len(one.names) == columns):
                raise BadSpectrum(
                    f"the columns are called {', '.join(one.names)[:200]}: one must be called wavelength (or"
                    f" {', '.join(WAVELENGTHS[1:4])}), and one flux (or {', '.join(FLUXES[1:4])})"
                )
        return (), ()
    names, units = chosen[-1].names, chosen[-1].units
    wave = names.index(str(_first(WAVELENGTHS, names)))
    for one in usable[usable.index(chosen[-1]) + 1 :]:
        # A line of units below the names, as in tables for spreadsheets.
        if len(one.names) == len(names) and one.names[wave] in _ANGSTROM and not any(units):
            units = one.names
    return names, units


def _numbers(cells: Sequence[str]) -> list[float] | None:
    try:
        return [_number(cell) for cell in cells]
    except ValueError:
        return None


def _number(cell: str) -> float:
    """A number, also with Fortran's exponent D; forms that only Python accepts, such as 1_0, are not numbers."""
    if "_" in cell or not cell.isascii():
        raise ValueError(f"{cell[:40]!r} is not a number")
    return float(cell.replace("D", "e").replace("d", "e"))


def _first(names: Sequence[str], known: Any) -> str | None:
    return next((name for name in names if name in known), None)


def _in_angstrom(values: Floats, unit: str, *, logarithm: bool) -> tuple[Floats, tuple[str, ...]]:
    """Wavelengths in Å, and what was assumed."""
    if logarithm:
        if not (np.isfinite(values) & (values < 10)).all():
            raise BadSpectrum("the wavelengths are logarithms that are too large")
        values = 10.0**values
    plain = unit.strip().lower()
    factor = _ANGSTROM.get(plain)
    if factor is not None:
        return values * factor, ()
    if plain and plain not in ("log(angstrom)", "pixel"):
        raise BadSpectrum(f"the unit of the wavelengths, {unit[:40]!r}, is not known; write Angstrom, nm, um or m")
    if values.size and _PLAUSIBLE[0] <= values.min() and values.max() <= _PLAUSIBLE[1]:
        return values, () if logarithm else ("the wavelengths have no unit: they are taken for Å",)
    raise BadSpectrum("the wavelengths have no unit, and are not those of an optical spectrum in Å: write the unit")


def _checked(
    form: str, wavelength: Floats, flux: Floats, uncertainty: Floats | None, unit: str, about: dict[str, str],
    notes: tuple[str, ...],
) -> Spectrum:  # fmt: skip
    if wavelength.size != flux.size or (uncertainty is not None and uncertainty.size != flux.size):
        raise BadSpectrum(f"there are {wavelength.size} wavelengths and {flux.size} fluxes")
    if not FEWEST <= wavelength.size <= MOST:
        raise BadSpectrum(f"the spectrum has {wavelength.size:,} points; from {FEWEST} to {MOST:,} are read")
    bad = np.flatnonzero(~np.isfinite(wavelength) | (wavelength <= 0) | (wavelength > 1e12))
    if bad.size:
        raise BadSpectrum(f"the wavelength of point {int(bad[0]) + 1} is {wavelength[bad[0]]:g} Å")
    order = np.argsort(wavelength, kind="stable")
    wavelength = wavelength[order]
    if (np.diff(wavelength) <= 0).any():
        twice = wavelength[int(np.flatnonzero(np.diff(wavelength) <= 0)[0])]
        raise BadSpectrum(f"the wavelength {twice:.10g} Å is there twice: the file has more than one spectrum")
    flux = np.where(np.isfinite(flux), flux, np.nan)[order]
    if not np.isfinite(flux).any():
        raise BadSpectrum("none of the fluxes is a number")
    if uncertainty is not None:
        usable = np.isfinite(uncertainty) & (uncertainty >= 0)
        uncertainty = np.where(usable, uncertainty, np.nan)[order]
    return Spectrum(form, wavelength, flux, uncertainty, unit.strip()[:100], about, notes)


_CARDS: Final = {
    "object": ("OBJECT",), "mjd": ("MJD-OBS", "MJD"), "date": ("DATE-OBS",), "instrument": ("INSTRUME",),
    "telescope": ("TELESCOP",), "time": ("TIME-OBS", "UT-OBS", "UTC-OBS", "UTSTART", "UT"), "scale": ("TIMESYS",),
}  # fmt: skip


def _about(headers: Sequence[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, cards in _CARDS.items():
        for header in headers:
            value = next((header[card] for card in cards if card in header), None)
            if value not in (None, ""):
                found.setdefault(name, str(value).strip()[:200])
    return found


def _plain(about: dict[str, str]) -> dict[str, str]:
    """The same names for entries in comments of text files."""
    known = {card.lower(): name for name, cards in _CARDS.items() for card in (name, *cards)}
    # As cards of FITS are written: text in quotes, and a comment behind a slash.
    return {known[name]: value.split(" /")[0].strip("' ")[:200] for name, value in about.items() if name in known}


_DAYS: Final = (1.0, 200_000.0)
_SCALES: Final = {"ut": "utc", "gmt": "utc", "z": "utc", "iat": "tai", "tdt": "tt", "et": "tt"}
"""Other names of time scales (FITS Standard 4.0, table 30; UT is taken as UTC, as it is meant since 1972)."""


def time_of(about: Mapping[str, str]) -> float | None:
    """When a spectrum was taken, by what its header says.

    Parameters
    ----------
    about : mapping
        `Spectrum.about`.

    Returns
    -------
    float or None
        MJD UTC: of `mjd`, or else of `date`, with `time` where it is a day alone, in the time scale `scale` (UTC
        where there is none; FITS Standard 4.0, section 9). None if there is neither, or only a day, or the scale is
        that of some other place.

    Examples
    --------
    >>> time_of({"date": "2026-11-27T12:00:00"}), time_of({"date": "2026-11-27"})
    (61371.5, None)
    >>> round((time_of({"mjd": "61371.5", "scale": "TAI"}) - 61371.5) * 86400, 3)
    -37.0
    """
    from astropy.time import Time

    try:
        given = _number(about["mjd"]) if "mjd" in about else math.nan
    except ValueError:
        given = math.nan
    name = re.sub(r"\(.*|\bapproximate\b", "", about.get("scale", "").lower()).strip() or "utc"
    scale = _SCALES.get(name, name)
    if scale not in Time.SCALES or scale in ("ut1", "local"):
        return None
    if _DAYS[0] <= given <= _DAYS[1]:
        # As it is written, unless it must be converted.
        return given if scale == "utc" else float(Time(given, format="mjd", scale=scale).utc.mjd)
    texts = [about.get(name, "") for name in ("date", "time")]
    day, _, clock = texts[0].rstrip("Z").replace(" ", "T").partition("T")
    clock = clock or texts[1]
    if not re.fullmatch(r"(19|20|21)\d\d-\d\d-\d\d", day, re.ASCII) or not re.fullmatch(
        r"\d\d:\d\d(:\d\d(\.\d*)?)?", clock, re.ASCII
    ):
        return None
    try:
        found = float(Time(f"{day}T{clock}", format="isot", scale=scale).utc.mjd)
    except ValueError:
        return None
    return found if _DAYS[0] <= found <= _DAYS[1] else None
