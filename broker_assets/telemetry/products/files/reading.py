"""Product files read into plain tables: our own, those of the original pipeline, and old versions.

Every file that was ever delivered must stay readable. Earlier versions differ in integer widths (I, J, K, with and
without offset), have doubles where others have integers (D), other names of columns and keywords (`counts_err`,
`DATE_BEG`) and no ENERGIES or IDB_VERSIONS; none of that is an error here.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from astropy.io import fits as astropy_fits
from astropy.io.fits.verify import VerifyWarning

from broker_assets.telemetry.products.files.tables import Column, Table

FORMER: Final = {
    "detector_mask": "detector_masks",
    "pixel_mask": "pixel_masks",
    "energy_bin_mask": "energy_bin_edge_mask",
    "count": "counts",
}
"""Names of columns in one version or product and in another; each finds the other."""
_ERROR: Final = re.compile(r"(_comp)?_err$")
_FILE_NAME: Final = re.compile(
    r"solo_(?P<level>LB|L0|L1|L2|L3|CAL|ANC|LL01)_stix-(?P<stem>[A-Za-z0-9_-]+?)_(?P<span>[0-9T-]+)"
    r"_V(?P<version>\d{2,12})(?P<incomplete>U?)(?P<request>_\d{10}(?:-\d{5})?)?\.fits"
)
_UNITS: Final = {"ct": "count", "counts": "count"}


class UnreadableFile(ValueError):
    """A file is not a FITS file of tables, or ends early; the message names it and says why."""


class Cards(Mapping[str, Any]):
    """Values of a header by keyword; a hyphen and an underscore are the same, upper and lower case too.

    Examples
    --------
    >>> Cards([("DATE-BEG", "2020-05-06T00:00:00.000", "")])["date_beg"]
    '2020-05-06T00:00:00.000'
    """

    def __init__(self, cards: list[tuple[str, Any, str]]) -> None:
        self.cards = cards
        """Keyword, value and comment as the file has them, in its order."""
        self._values: dict[str, Any] = {}
        for keyword, value, _ in cards:
            self._values.setdefault(_plain(keyword), value)

    def __getitem__(self, keyword: str) -> Any:
        return self._values[_plain(keyword)]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(keyword for keyword, _, _ in self.cards))

    def __len__(self) -> int:
        return len(dict.fromkeys(keyword for keyword, _, _ in self.cards))


@dataclass(frozen=True)
class ProductName:
    """The parts of the name of a file."""

    level: str
    stem: str
    """family-name in lower case with hyphens: `ql-lightcurve`."""
    span: str
    version: int
    incomplete: bool
    request: str
    """`<request id>[-<telecommand sequence control>]`, or nothing."""

    @classmethod
    def parse(cls, name: str) -> ProductName | None:
        """Read a name; None if it is not that of a product.

        Examples
        --------
        >>> ProductName.parse("solo_L1_stix-ql-LightCurve_20210117_V01.fits")
        ProductName(level='L1', stem='ql-lightcurve', span='20210117', version=1, incomplete=False, request='')
        >>> ProductName.parse("solo_L1_stix-ql-ql-tmstatusflarelist_20200506_V01.fits").stem
        'ql-tmstatusflarelist'
        """
        found = _FILE_NAME.fullmatch(name)
        if found is None:
            return None
        stem = found["stem"].lower().replace("_", "-")
        # The original doubled the family of one kind.
        stem = re.sub(r"^([a-z]+)-\1-", r"\1-", stem)
        request = (found["request"] or "").removeprefix("_")
        return cls(found["level"], stem, found["span"], int(found["version"]), found["incomplete"] == "U", request)


@dataclass(frozen=True)
class ProductTables:
    """A product file in memory."""

    name: str
    header: Cards
    """Primary header."""
    tables: dict[str, Table]
    """Extension name (upper case) to columns, in the order of the file."""
    headers: dict[str, Cards]
    """Extension name to its header."""

    @property
    def control(self) -> Table:
        """Data about each packet or request, one row each."""
        return self.tables.get("CONTROL", {})

    @property
    def data(self) -> Table:
        """What was measured: one row per time."""
        return self.tables.get("DATA", {})

    @property
    def energies(self) -> Table | None:
        """Energy channels, keV."""
        return self.tables.get("ENERGIES")

    @property
    def parsed_name(self) -> ProductName | None:
        """The parts of the name; for a renamed file, of FILENAME."""
        return ProductName.parse(self.name) or ProductName.parse(str(self.header.get("FILENAME", "")))


def read(path: str | Path | BinaryIO, *, name: str | None = None) -> ProductTables:
    """Read a product file of any level and version.

    Parameters
    ----------
    path : path or binary file
    name : str, optional
        Name of the product, for an open file; default: the name of the file.

    Returns
    -------
    ProductTables
        Columns have the shape (rows, …) as TDIM orders it; integers with their offset applied, in native byte order;
        texts without padding; `""` as unit where there is none; the parameter of the packet from TNIXSn.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UnreadableFile
        If it is empty, truncated, or not a FITS file.
    """
    if name is None:
        name = Path(path).name if isinstance(path, str | Path) else Path(getattr(path, "name", "<stream>")).name
    try:
        with warnings.catch_warnings():
            # Old files break small rules of cards; what is there is taken as it is.
            warnings.simplefilter("ignore", VerifyWarning)
            warnings.filterwarnings("error", "File may have been truncated")
            with astropy_fits.open(path, memmap=False, lazy_load_hdus=False) as hdus:
                size = hdus.fileinfo(0)["file"].size
                if sum(hdu.filebytes() for hdu in hdus) != size:
                    raise UnreadableFile(f"{name}: it is truncated, or other bytes follow its last table")
                tables: dict[str, Table] = {}
                headers: dict[str, Cards] = {}
                for hdu in hdus[1:]:
                    if isinstance(hdu, astropy_fits.BinTableHDU):
                        tables[hdu.name.upper()] = _table(hdu)
                        headers[hdu.name.upper()] = _cards(hdu.header)
                return ProductTables(name, _cards(hdus[0].header), tables, headers)
    except (FileNotFoundError, UnreadableFile):
        raise
    except (OSError, ValueError, TypeError, KeyError, IndexError, UserWarning) as error:
        raise UnreadableFile(f"{name}: {error}") from error


def column_of(table: Table, name: str) -> Column | None:
    """A column under its present or a former name; None if the table has it under neither.

    Examples
    --------
    >>> column_of({"counts_err": Column(np.zeros(1), "count")}, "counts_comp_err").unit
    'count'
    """
    return next((table[known] for known in _names(name) if known in table), None)


def _names(name: str) -> Iterator[str]:
    yield name
    base = _ERROR.sub("", name)
    if base != name:
        yield from (f"{base}_comp_err", f"{base}_err")
    for one, other in FORMER.items():
        if name in (one, other):
            yield other if name == one else one


def _plain(keyword: str) -> str:
    return keyword.upper().replace("_", "-")


def _cards(header: Any) -> Cards:
    found: list[tuple[str, Any, str]] = []
    for card in header.cards:
        value = card.value
        found.append((card.keyword, "" if isinstance(value, astropy_fits.card.Undefined) else value, card.comment))
    return Cards(found)


def _table(hdu: Any) -> Table:
    data = hdu.data
    found: Table = {}
    for number, column in enumerate(hdu.columns, 1):
        values = np.asarray(data[column.name])
        if values.dtype.kind in "iuf":
            values = values.astype(values.dtype.newbyteorder("="), copy=False)
        unit = (column.unit or "").strip()
        header = hdu.header
        found[column.name] = Column(
            values,
            _UNITS.get(unit, unit),
            str(header.comments[f"TTYPE{number}"]),
            header.get(f"TNIXS{number}"),
            header.get(f"TCURT{number}"),
        )
    return found
