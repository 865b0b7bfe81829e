"""Encodes Arrow tables as CSV, Arrow IPC, Parquet or VOTable, batch by batch.

Memory is bounded by a batch (Parquet: by a row group), whatever the number of rows. Fields carry `unit`, `description`
and `ucd` in their metadata; Arrow and Parquet keep them, VOTable shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

MEDIA_TYPES: Final[dict[str, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "votable": "application/x-votable+xml",
}
"""Media type of each format."""
SUFFIXES: Final[dict[str, str]] = {"csv": ".csv", "arrow": ".arrows", "parquet": ".parquet", "votable": ".vot"}
"""Usual file name extension of each format."""

_NAMESPACE: Final = "http://www.ivoa.net/xml/VOTable/v1.3"
"""XML namespace of all versions 1.x from 1.3 on."""
_DATATYPES: Final[tuple[tuple[Callable[[pa.DataType], bool], str], ...]] = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_int16, "short"),
    (pa.types.is_int32, "int"),
    (pa.types.is_int64, "long"),
    (pa.types.is_float32, "float"),
    (pa.types.is_float64, "double"),
)


class _Sink:
    """A write-only file whose content is taken out piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self.closed = False

    def write(self, piece: Any) -> int:
        data = bytes(piece)
        self._pieces.append(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Does nothing: nothing is buffered."""

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def taken(self) -> bytes:
        found = b"".join(self._pieces)
        self._pieces.clear()
        return found


def field(
    name: str,
    kind: pa.DataType,
    *,
    unit: str = "",
    description: str = "",
    ucd: str = "",
    datatype: str = "",
    utype: str = "",
    xtype: str = "",
    arraysize: str = "",
) -> pa.Field:
    """A field with its meaning as metadata.

    Parameters
    ----------
    name, kind : str, DataType
        As for `pyarrow.field`.
    unit, description, ucd : str
        Unit (VOUnits), meaning, and IVOA UCD1+.
    datatype : str
        Datatype of VOTable, if it is not that of the kind: `char` for text that is always ASCII.
    utype, xtype : str
        Attributes of VOTable: role in a data model, and meaning of a text.
    arraysize : str
        Number of values in a text of space-separated numbers, if `datatype` is that of a number.
    """
    given = {
        "unit": unit, "description": description, "ucd": ucd, "datatype": datatype, "utype": utype, "xtype": xtype,
        "arraysize": arraysize,
    }  # fmt: skip
    return pa.field(name, kind, metadata={key: value for key, value in given.items() if value})


_UNITS: Final = {"UTC": "", "σ": "", "per cent": "%", "(mas/yr)²": "mas2/yr2", "1/d": "d-1"}


def unit_of(text: str) -> str:
    """The unit of a column in the form of VOUnits 1.0, without frame or time scale.

    Examples
    --------
    >>> unit_of("d, MJD TAI"), unit_of("deg²"), unit_of("(mas/yr)²"), unit_of("UTC")
    ('d', 'deg2', 'mas2/yr2', '')
    """
    plain = text.partition(",")[0].strip()
    return _UNITS.get(plain, plain.replace("²", "2"))


def encode(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    form: str,
    *,
    name: str = "table",
    about: Mapping[str, str] | None = None,
    overflows: Callable[[], bool] | None = None,
) -> Iterator[bytes]:
    """Encode a table.

    Parameters
    ----------
    batches : iterable of RecordBatch
        Batches with the schema, consumed one after the other.
    schema : Schema
        Names, types and meanings of the columns.
    form : str
        One of `MEDIA_TYPES`.
    name : str
        Name of the table, in VOTable.
    about : mapping of str to str, optional
        INFO elements of the VOTable.
    overflows : callable, optional
        Called after the last batch; returns whether rows were left out, which only VOTable can express.

    Yields
    ------
    bytes
        The parts of the file.

    Raises
    ------
    ValueError
        If there is no such format.
    """
    if form == "votable":
        yield from _votable(batches, schema, name, about or {}, overflows)
        return
    sink = _Sink()
    file = pa.PythonFile(sink, mode="w")
    if form == "csv":
        writer: Any = pyarrow.csv.CSVWriter(file, schema)
    elif form == "arrow":
        writer = pa.ipc.new_stream(file, schema)
    elif form == "parquet":
        writer = pyarrow.parquet.ParquetWriter(file, schema, compression="zstd")
    else:
        raise ValueError(f"there is no form {form!r}; forms are {', '.join(MEDIA_TYPES)}")
    yield sink.taken()
    for batch in batches:
        if batch.num_rows:
            writer.write_batch(batch) if form != "csv" else writer.write(batch)
            yield sink.taken()
    writer.close()
    yield sink.taken()


def _votable(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    name: str,
    about: Mapping[str, str],
    overflows: Callable[[], bool] | None,
) -> Iterator[bytes]:
    head = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        f'<VOTABLE version="1.4" xmlns="{_NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n',
        '<RESOURCE type="results">\n<INFO name="QUERY_STATUS" value="OK"/>\n',
        *(f"<INFO name={quoteattr(key)} value={_quoted(value)}/>\n" for key, value in about.items()),
        f"<TABLE name={quoteattr(name)}>\n",
        *map(_field, schema),
        "<DATA>\n<TABLEDATA>\n",
    ]
    yield "".join(head).encode()
    for batch in batches:
        if batch.num_rows:
            columns = [_cells(batch.column(number)) for number in range(batch.num_columns)]
            rows = ("".join(row) for row in zip(*columns, strict=True))
            yield "".join(f"<TR>{row}</TR>\n" for row in rows).encode()
    tail = "</TABLEDATA>\n</DATA>\n</TABLE>\n"
    if overflows is not None and overflows():
        tail += '<INFO name="QUERY_STATUS" value="OVERFLOW"/>\n'
    yield f"{tail}</RESOURCE>\n</VOTABLE>\n".encode()


def votable_error(message: str) -> bytes:
    """A VOTable with the error message for a query (DALI 1.1)."""
    text = _quoted(message)[1:-1]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<VOTABLE version="1.4" xmlns="{_NAMESPACE}">\n<RESOURCE type="results">\n'
        f'<INFO name="QUERY_STATUS" value="ERROR">{text}</INFO>\n</RESOURCE>\n</VOTABLE>\n'
    ).encode()


def _field(item: pa.Field) -> str:
    given = {key.decode(): value.decode() for key, value in (item.metadata or {}).items()}
    attributes = [f"name={quoteattr(item.name)}"]
    datatype = next((name for test, name in _DATATYPES if test(item.type)), None)
    if datatype is None:
        size = given.get("arraysize", "*")
        attributes.append(f'datatype="{given.get("datatype", "unicodeChar")}" arraysize="{size}"')
    else:
        attributes.append(f'datatype="{datatype}"')
    attributes.extend(f"{key}={_quoted(given[key])}" for key in ("unit", "ucd", "utype", "xtype") if given.get(key))
    description = given.get("description", "")
    body = f"<DESCRIPTION>{_text(description)}</DESCRIPTION>" if description else ""
    return f"<FIELD {' '.join(attributes)}>{body}</FIELD>\n"


def _cells(column: pa.Array) -> Sequence[str]:
    kind = column.type
    if pa.types.is_boolean(kind):
        return ["<TD/>" if one is None else f"<TD>{'T' if one else 'F'}</TD>" for one in column.to_pylist()]
    if pa.types.is_floating(kind):
        # As written by Arrow: the shortest decimal of a 32-bit float.
        texts = column.cast(pa.string()).to_pylist()
        special = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}
        return ["<TD/>" if one is None else f"<TD>{special.get(one, one)}</TD>" for one in texts]
    if pa.types.is_integer(kind):
        return ["<TD/>" if one is None else f"<TD>{one}</TD>" for one in column.to_pylist()]
    return ["<TD/>" if one is None else f"<TD>{_text(str(one))}</TD>" for one in column.to_pylist()]


def _text(value: str) -> str:
    """Text of an XML document, without control characters that XML does not allow."""
    return escape("".join(sign if sign >= " " or sign in "\t\n\r" else "\ufffd" for sign in value))


def _quoted(value: str) -> str:
    return quoteattr("".join(sign if sign >= " " or sign in "\t\n\r" else "\ufffd" for sign in value))
