"""Spectra in the database: their files and arrays, by version; visible to those who may see their target."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.rows import class_row

from broker_assets.access.accounts import User
from broker_assets.access.refusals import NotTheOwner
from broker_assets.numerals import real
from broker_assets.tom.spectra.spectrum_files import BadSpectrum, Spectrum, read_spectrum, time_of
from broker_assets.tom.targets import store as targets
from broker_assets.tom.targets.readers import TARGET_READABLE, Reader

Connection = psycopg.Connection[Any]
LONGEST: Final = 256
_READABLE: Final = sql.SQL(
    "(%(all)s OR spectrum.public OR spectrum.owner = %(viewer)s OR EXISTS (SELECT FROM access.targets AS target"
    " WHERE target.targetid = spectrum.targetid AND " + TARGET_READABLE + "))"
)


class UnknownSpectrum(LookupError):
    """There is no such spectrum or version, or the account may not see it."""


@dataclass(frozen=True)
class Stored:
    """A spectrum without its points."""

    spectrumid: int
    owner: str
    targetid: int | None
    diaobjectid: int | None
    title: str
    public: bool
    facility: str
    mjd: float | None
    z: float | None
    created: datetime.datetime
    versions: int


@dataclass(frozen=True)
class Version:
    """A version with its points."""

    version: int
    file_name: str
    sha256: str
    format: str
    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]
    uncertainty: NDArray[np.float64] | None
    flux_unit: str
    author: str
    remark: str
    at: datetime.datetime


@dataclass(frozen=True)
class Added:
    """The result of storing a file."""

    spectrumid: int
    version: int
    notes: tuple[str, ...]
    """Assumptions of the reader."""


def add(
    connection: Connection,
    user: User,
    content: bytes,
    file_name: str,
    *,
    targetid: int | None = None,
    diaobjectid: int | None = None,
    about: Mapping[str, Any] | None = None,
) -> Added:
    """Store a spectrum from a file.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : User
        Account that owns it.
    content, file_name : bytes, str
        Content and name of the file.
    targetid, diaobjectid : int, optional
        Target that the account may see, or object of the broker; default for the object: that of the target.
    about : mapping, optional
        `title`, `facility`, `mjd`, `z`, `public`; missing values are taken from the header of the file.

    Returns
    -------
    Added

    Raises
    ------
    BadSpectrum
        If the file or a value cannot be read; nothing is stored then.
    UnknownTarget
        If the account may not see the target.
    """
    spectrum = read_spectrum(content, file_name)
    given = dict(about or {})
    if targetid is None and diaobjectid is None:
        raise BadSpectrum("say which target or object it is of")
    with connection.transaction():
        if targetid is not None:
            target = targets.held(connection, Reader.of(user), targetid)
            diaobjectid = diaobjectid if diaobjectid is not None else target.diaobjectid
        title = " ".join(str(given.get("title") or spectrum.about.get("object") or file_name or "spectrum").split())
        facility = given.get("facility") or " ".join(
            spectrum.about[name] for name in ("telescope", "instrument") if name in spectrum.about
        )
        row = connection.execute(
            "INSERT INTO access.spectra (owner, targetid, diaobjectid, title, public, facility, mjd, z)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING spectrumid",
            (
                user.username, targetid, diaobjectid, title[:LONGEST].replace("\0", ""), bool(given.get("public")),
                str(facility)[:LONGEST].replace("\0", ""), _mjd(given.get("mjd"), spectrum), _z(given.get("z")),
            ),
        ).fetchone()  # fmt: skip
        if row is None:
            raise LookupError("INSERT … RETURNING gave no row")
        _insert(connection, int(row[0]), 1, user, content, file_name, spectrum, "")
    return Added(int(row[0]), 1, spectrum.notes)


def add_version(
    connection: Connection, user: User, number: int, content: bytes, file_name: str, remark: str = ""
) -> Added:
    """Store another file of a spectrum of the account, as its newest version; the earlier ones stay.

    A file that is already stored keeps its version.

    Raises
    ------
    BadSpectrum
        If it cannot be read; nothing is stored then.
    UnknownSpectrum, NotTheOwner
        If the spectrum does not belong to the account.
    """
    spectrum = read_spectrum(content, file_name)
    with connection.transaction():
        # If two files arrive at once, the second waits, and takes the next number.
        connection.execute("SELECT FROM access.spectra WHERE spectrumid = %s FOR UPDATE", (number,))
        own(connection, user, number)
        digest = hashlib.sha256(content).hexdigest()
        known = connection.execute(
            "SELECT version FROM access.spectrum_versions WHERE spectrumid = %s AND sha256 = %s", (number, digest)
        ).fetchone()
        if known is not None:
            return Added(number, int(known[0]), ("this file is stored already",))
        row = connection.execute(
            "SELECT max(version) + 1 FROM access.spectrum_versions WHERE spectrumid = %s", (number,)
        ).fetchone()
        version = int(row[0]) if row is not None else 1
        _insert(connection, number, version, user, content, file_name, spectrum, " ".join(remark.split())[:LONGEST])
    return Added(number, version, spectrum.notes)


def remove(connection: Connection, user: User, number: int) -> Stored:
    """Remove a spectrum of the account with all versions; return its description."""
    with connection.transaction():
        found = own(connection, user, number)
        connection.execute("DELETE FROM access.spectra WHERE spectrumid = %s", (number,))
    return found


def search(
    connection: Connection,
    reader: Reader,
    *,
    number: int | None = None,
    targetid: int | None = None,
    diaobjectid: int | None = None,
    limit: int = 500,
) -> list[Stored]:
    """Spectra that a reader may see, the newest first: all, one, or those of a target or object."""
    query = sql.SQL(
        "SELECT spectrumid, owner, targetid, diaobjectid, title, public, facility, mjd, z, created,"
        " (SELECT count(*) FROM access.spectrum_versions AS version WHERE version.spectrumid = spectrum.spectrumid)"
        " AS versions FROM access.spectra AS spectrum WHERE {} AND (%(number)s::bigint IS NULL OR spectrumid ="
        " %(number)s) AND (%(targetid)s::bigint IS NULL OR spectrum.targetid = %(targetid)s)"
        " AND (%(diaobjectid)s::bigint IS NULL OR spectrum.diaobjectid = %(diaobjectid)s)"
        " ORDER BY spectrumid DESC LIMIT %(limit)s"
    ).format(_READABLE)
    values = {"number": number, "targetid": targetid, "diaobjectid": diaobjectid, "limit": limit}
    with connection.cursor(row_factory=class_row(Stored)) as cursor:
        return cursor.execute(query, values | reader.parameters).fetchall()


def get(connection: Connection, reader: Reader, number: int) -> Stored:
    """A spectrum; raises `UnknownSpectrum` if there is none, or the reader may not see it."""
    for found in search(connection, reader, number=number):
        return found
    raise UnknownSpectrum(f"there is no spectrum {number}, or you may not see it")


def own(connection: Connection, user: User, number: int) -> Stored:
    """A spectrum that an account may change; raises `UnknownSpectrum` or `NotTheOwner`."""
    found = get(connection, Reader.of(user), number)
    if found.owner != user.username:
        raise NotTheOwner(f"spectrum {number} belongs to {found.owner}")
    return found


def version_of(connection: Connection, number: int, version: int | None = None) -> Version:
    """A version of a spectrum, the newest by default; raises `UnknownSpectrum` if there is none."""
    row = connection.execute(
        "SELECT version, file_name, sha256, format, wavelength, flux, uncertainty, flux_unit, author, remark, at"
        " FROM access.spectrum_versions WHERE spectrumid = %s AND (%s::integer IS NULL OR version = %s)"
        " ORDER BY version DESC LIMIT 1",
        (number, version, version),
    ).fetchone()
    if row is None:
        raise UnknownSpectrum(f"spectrum {number} has no version {version}")
    arrays = [None if one is None else np.array(one, np.float64) for one in row[4:7]]
    return Version(*row[:4], *arrays, *row[7:])  # type: ignore[arg-type]


def history(connection: Connection, number: int) -> list[dict[str, Any]]:
    """Versions without their points, the newest first."""
    rows = connection.execute(
        "SELECT version, file_name, sha256, format, cardinality(wavelength), octet_length(content), author, remark, at"
        " FROM access.spectrum_versions WHERE spectrumid = %s ORDER BY version DESC",
        (number,),
    ).fetchall()
    names = ("version", "file_name", "sha256", "format", "points", "bytes", "author", "remark", "at")
    return [dict(zip(names, row, strict=True)) for row in rows]


def file_of(connection: Connection, number: int, version: int | None = None) -> tuple[str, bytes]:
    """Name and content of the file of a version, as uploaded; raises `UnknownSpectrum` if there is none."""
    row = connection.execute(
        "SELECT file_name, content FROM access.spectrum_versions WHERE spectrumid = %s"
        " AND (%s::integer IS NULL OR version = %s) ORDER BY version DESC LIMIT 1",
        (number, version, version),
    ).fetchone()
    if row is None:
        raise UnknownSpectrum(f"spectrum {number} has no version {version}")
    return str(row[0]), bytes(row[1])


def _insert(
    connection: Connection, number: int, version: int, user: User, content: bytes, file_name: str, spectrum: Spectrum,
    remark: str,
) -> None:  # fmt: skip
    connection.execute(
        "INSERT INTO access.spectrum_versions (spectrumid, version, file_name, content, sha256, format, wavelength,"
        " flux, uncertainty, flux_unit, author, remark) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            number, version, (file_name or "spectrum").replace("\0", "")[:LONGEST], content,
            hashlib.sha256(content).hexdigest(), spectrum.format, spectrum.wavelength.tolist(), spectrum.flux.tolist(),
            None if spectrum.uncertainty is None else spectrum.uncertainty.tolist(), spectrum.flux_unit, user.username,
            remark.replace("\0", ""),
        ),
    )  # fmt: skip


def _mjd(given: Any, spectrum: Spectrum) -> float | None:
    """When it was taken, MJD UTC: as given, or from the header."""
    return _number("mjd", given, 0, 200_000) if given not in (None, "") else time_of(spectrum.about)


def _z(given: Any) -> float | None:
    return None if given in (None, "") else _number("z", given, -0.9, 20)


def _number(name: str, given: Any, least: float, most: float) -> float:
    try:
        found = real(given) if isinstance(given, str) else float(given)
    except (TypeError, ValueError):
        raise BadSpectrum(f"{name}: {str(given)[:40]!r} is not a number") from None
    if not least <= found <= most:
        raise BadSpectrum(f"{name}: {found:g} is not from {least:g} to {most:g}")
    return found
