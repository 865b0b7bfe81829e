"""Small product files like those in our archive, made for a test."""

from __future__ import annotations

import datetime
import io
from pathlib import Path

import numpy as np
from astropy.io import fits

MADE = datetime.datetime(2021, 2, 1, tzinfo=datetime.UTC)
"""When files are made unless told otherwise."""
DAY = "solo_L1_stix-ql-lightcurve_20210116_V02U.fits"
"""A file that grows through its day."""


def request(number: int, level: str = "L1", version: int = 2) -> str:
    """Name of an answer to a request; all have the same name in the archive."""
    return f"solo_{level}_stix-sci-xray-cpd_20210116T120000-20210116T120100_V{version:02d}_{number:010d}-50001.fits"


def product(
    name: str = DAY,
    *,
    rows: int = 60,
    first: float = 0.0,
    value: int = 1,
    nan: int = 0,
    columns: tuple[str, ...] = ("counts", "temperature"),
    begin: str = "2021-01-16T12:00:00.000",
    made: datetime.datetime = MADE,
) -> bytes:
    """A file of a table with a row per second.

    Parameters
    ----------
    name : str
        For FILENAME.
    rows, first
        Number of rows, and seconds from `begin` to the first.
    value : int
        In every row of `counts`.
    nan : int
        Rows of `temperature` that are NaN.
    columns
        Those of the table besides the times.
    begin, made
        DATE-BEG and DATE.
    """
    header = fits.Header()
    header["FILENAME"] = name
    header["DATE"] = made.strftime("%Y-%m-%dT%H:%M:%S.000")
    header["TIMESYS"] = "UTC"
    header["DATE-BEG"] = begin
    header["DATE-AVG"] = begin
    header["SPICE_MK"] = ("old", "SPICE meta kernel file")
    header["PARENT"] = "a;" * 60
    header["HISTORY"] = "Processed by STIXCore L1"
    temperature = np.full(rows, 20.0)
    temperature[:nan] = np.nan
    values = {"counts": np.full(rows, value, dtype=np.int32), "temperature": temperature}
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("time", "J", unit="cs", array=((first + np.arange(rows)) * 100 + 50).astype(np.int32)),
            fits.Column("timedel", "J", unit="cs", array=np.full(rows, 100, dtype=np.int32)),
            *(
                fits.Column(column, "J" if values[column].dtype.kind == "i" else "D", array=values[column])
                for column in columns
            ),
        ],
        name="DATA",
    )
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(header=header), table]).writeto(stream, checksum=True)
    return stream.getvalue()


def put(folder: Path, name: str = DAY, content: bytes | None = None, **options: object) -> Path:
    """Write a file into an archive as writers do: under another name, then renamed."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{path.name}.part")
    written.write_bytes(product(path.name, **options) if content is None else content)  # type: ignore[arg-type]
    written.replace(path)
    return path
