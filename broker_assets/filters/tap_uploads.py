"""Tables that are uploaded with a query (IVOA TAP 1.1, section 2.5): VOTables, read with care.

An uploaded table is never stored in a table of the database: its columns are bound to the one statement that reads it,
so that there is nothing that another query could read. A VOTable may name other files and addresses (`STREAM href`,
entities, FITS); such a document is refused before the library that would follow them sees it.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

import numpy as np

LARGEST: Final = 8 * 1024**2
"""Bytes of a table, at most."""
MOST_ROWS: Final = 100_000
MOST_COLUMNS: Final = 200
MOST_TABLES: Final = 10
"""Tables of a query, at most."""
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.IGNORECASE)
_TYPES: Final[Mapping[str, str]] = {
    "boolean": "BOOLEAN", "bit": "BOOLEAN", "unsignedByte": "SMALLINT", "short": "SMALLINT", "int": "INT",
    "long": "BIGINT", "float": "REAL", "double": "DOUBLE PRECISION", "char": "TEXT", "unicodeChar": "TEXT",
}  # fmt: skip
_NUMBERS: Final = frozenset({"SMALLINT", "INT", "BIGINT", "REAL", "DOUBLE PRECISION"})
_DATA: Final = frozenset({"TABLEDATA", "BINARY", "BINARY2"})


class BadUpload(ValueError):
    """A table that cannot be uploaded; the message says why and what to do."""


@dataclass(frozen=True)
class UploadedColumn:
    """A column."""

    name: str
    """In lower case, as SQL reads it without quotes."""
    sql: str
    """Type in PostgreSQL."""
    values: list[Any]
    about: dict[str, str] = field(default_factory=dict)
    """What its VOTable says about it: datatype, xtype, unit, UCD, utype, description."""


@dataclass(frozen=True)
class Upload:
    """A table."""

    columns: tuple[UploadedColumn, ...]

    def numeric(self) -> dict[str, list[Any]]:
        """Values of the columns that are numbers, by name."""
        return {one.name: one.values for one in self.columns if one.sql in _NUMBERS}


def table_name(text: str) -> str:
    """The name of an uploaded table, in lower case.

    Raises
    ------
    BadUpload
        If it is not an identifier.

    Examples
    --------
    >>> table_name("TAP_UPLOAD.Mine"), table_name("t1")
    ('mine', 't1')
    """
    name = text.strip().lower().removeprefix("tap_upload.")
    if _NAME.fullmatch(name) is None:
        raise BadUpload(f"{text[:60]!r} is not a name of a table: a letter, then letters, digits and underscores")
    return name


def read_upload(content: bytes) -> Upload:
    """Read the first table of a VOTable.

    Parameters
    ----------
    content : bytes
        The document; its data must be in it.

    Raises
    ------
    BadUpload
        If it is none, is too large, names other files, or has columns that are not single values.
    """
    from astropy.io.votable import parse
    from astropy.io.votable.exceptions import VOTableSpecError

    if len(content) > LARGEST:
        raise BadUpload(f"the table has {len(content)} bytes; at most {LARGEST} are read")
    _look(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = parse(io.BytesIO(content), verify="ignore").get_first_table()
    except (VOTableSpecError, ValueError, IndexError, TypeError, KeyError, OSError, EOFError) as error:
        raise BadUpload(f"the VOTable cannot be read: {str(error)[:300]}") from None
    if len(table.array) > MOST_ROWS or not 0 < len(table.fields) <= MOST_COLUMNS:
        raise BadUpload(f"a table has at most {MOST_ROWS} rows and 1 to {MOST_COLUMNS} columns")
    columns = tuple(_column(item, table.array[item.ID]) for item in table.fields)
    names = [one.name for one in columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadUpload(f"two columns are named {twice!r}; names are compared regardless of case")
    return Upload(columns)


def _column(item: Any, values: Any) -> UploadedColumn:
    name = str(item.name or item.ID)
    kind = _TYPES.get(str(item.datatype))
    size = str(item.arraysize or "")
    is_text = kind == "TEXT"
    if kind is None or (not is_text and size not in ("", "1")) or (is_text and "x" in size):
        raise BadUpload(
            f"column {name[:60]!r} is {item.datatype}[{size}]; columns of uploads are single numbers, booleans or texts"
        )
    if not name or len(name) > 63 or "\0" in name or '"' in name:
        raise BadUpload(f"{name[:60]!r} is not a name of a column: 1 to 63 characters without quotes")
    masked = np.ma.getmaskarray(values)
    plain = np.ma.getdata(values)
    found = [None if hidden else _plain(value, is_text) for value, hidden in zip(plain.tolist(), masked, strict=True)]
    about = {one: str(getattr(item, one, None) or "") for one in ("xtype", "unit", "ucd", "utype", "description")}
    return UploadedColumn(name.lower(), kind, found, about | {"datatype": str(item.datatype)})


def _plain(value: Any, is_text: bool) -> Any:
    if not is_text:
        return value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.replace("\0", "")


def _look(content: bytes) -> None:
    """Refuse what would make the reader of VOTables open something else, or use much memory."""
    parser = expat.ParserCreate(namespace_separator="}")
    depth = rows = 0

    def refuse(*_: Any) -> None:
        raise BadUpload("the VOTable has a document type; remove the line that begins with <!DOCTYPE")

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, rows
        plain = name.rpartition("}")[2].upper()
        depth += 1
        rows += plain == "TR"
        if depth > 30:
            raise BadUpload("the document is nested too deep for a VOTable")
        if rows > MOST_ROWS:
            raise BadUpload(f"the table has more than {MOST_ROWS} rows")
        if plain in ("FITS", "PARQUET") or any(one.rpartition("}")[2].lower() == "href" for one in attributes):
            raise BadUpload(f"the data of an upload are in the document itself, as {', '.join(sorted(_DATA))}")

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError) as error:
        if isinstance(error, BadUpload):
            raise
        raise BadUpload(f"the upload is not XML: {error}") from None
