"""Rows of plain SQL dumps: blocks of COPY and the values of INSERT, as `pg_dump` and `mysqldump` write them.

Which statements of a dump are read, and what becomes of their rows, is up to the modules that read one. Nothing in a
dump is executed.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

Lines = Iterator[tuple[int, str]]
"""The lines of a file that are not read yet, with their numbers and line ends."""
Cells = list[str | None]
"""Values of a row as text; None is null."""

LONGEST: Final = 16 * 1024**2
"""Most characters of a row in a statement INSERT."""
_BRACKET: Final = re.compile(r"\s*\(")
_COMMA: Final = re.compile(r"\s*,")
_ESCAPED: Final = r"'(?P<escaped>(?:[^'\\]|\\.|'')*)'(?!')"
_WORD: Final = r"(?P<word>0x[\dA-F]+|[A-Z]+|[-+]?[\d.]+(?:E[-+]?\d+)?)(?!')"
_FLAGS: Final = re.IGNORECASE | re.DOTALL | re.ASCII
_VALUE: Final = re.compile(rf"\s*(?:(?:E{_ESCAPED}|(?:_binary )?'(?P<text>(?:[^']|'')*)'(?!'))|{_WORD})\s*", _FLAGS)
"""A value of PostgreSQL, where a backslash within a text is one unless E precedes it."""
_MYSQL_VALUE: Final = re.compile(rf"\s*(?:(?:_binary )?{_ESCAPED}|{_WORD})\s*", _FLAGS)
_TEXT_BEGINS: Final = re.compile(r"\s*(?:E|_binary )?'", _FLAGS)
_SLASHES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "Z": "\x1a"}
_NEED_SLASH: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


_HEAD: Final = 1 << 16
"""Bytes at the beginning of a dump in which it says its encoding."""
CLIENT_ENCODING: Final = re.compile(
    r"^\s*SET\s+(?:SESSION\s+)?client_encoding\s*(?:=|TO)\s*'?(?P<name>[\w-]+)",
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)
"""A line that says the encoding of what follows."""


class BadRows(ValueError):
    """Rows have no end or are in a form that is not read; the message begins with the line, or names the file."""


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """The text of a dump, in the encoding that it names (UTF-8 if it names none), also compressed by gzip.

    Parameters
    ----------
    path : Path
        File.

    Raises
    ------
    BadRows
        If it is a dump for pg_restore, is in an unknown encoding or in another than it says, or is truncated.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        begin = file.read(512)
    if begin.startswith((b"PGDMP", b"toc.dat\0")):
        raise BadRows(f"{path} is a dump for pg_restore: write it as text with `pg_restore -f FILE.sql {path}`")
    unpack: Any = gzip.open if begin.startswith(b"\x1f\x8b") else open
    try:
        with unpack(path, "rb") as file:
            encoding = _encoding(path, file.read(_HEAD))
        with unpack(path, "rt", encoding=encoding, newline="") as text:
            yield text
    except (UnicodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadRows(f"{path} cannot be read: {error}") from None


def _encoding(path: Path, head: bytes) -> str:
    """The name in Python of the encoding of a dump that begins like this."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    said = CLIENT_ENCODING.search(head.decode("latin-1"))
    if said is None:
        return "utf-8"
    name = said["name"].upper()
    # Names of PostgreSQL that Python does not have; bytes in SQL_ASCII are of an unknown encoding, most likely UTF-8.
    name = {"UNICODE": "UTF8", "SQL_ASCII": "UTF8", "UHC": "CP949", "KOI8R": "KOI8-R", "KOI8U": "KOI8-U"}.get(
        name, name
    )
    try:
        return codecs.lookup(re.sub(r"^WIN(?=[0-9])", "CP", name)).name
    except LookupError:
        raise BadRows(f"{path} is in {name}, which is not known here; dump it with --encoding=UTF8") from None


def copied(lines: Lines, begin: int) -> Iterator[str]:
    """The lines of a block of COPY, up to its end.

    Parameters
    ----------
    lines : iterator of (int, str)
        What follows the statement; the line that ends the block is read.
    begin : int
        Line of the statement, for the message.

    Raises
    ------
    BadRows
        If the block has no end.
    """
    for _, line in lines:
        if line.rstrip("\r\n") == "\\.":
            return
        yield line
    raise BadRows(f"line {begin}: the rows that begin here have no end; the file is truncated")


def cells_of(line: str) -> Cells:
    r"""The values of a line in the text format of COPY.

    Examples
    --------
    >>> cells_of("O\\\\Neil\\tx\t\\N\n")
    ['O\\Neil\tx', None]
    """
    return [None if cell == "\\N" else _unescaped(cell) for cell in line.rstrip("\r\n").split("\t")]


def line_of(cells: Iterable[str | None]) -> str:
    r"""Values as a line in the text format of COPY; see `cells_of`.

    Examples
    --------
    >>> line_of(["a\tb", None])
    'a\\tb\t\\N\n'
    """
    return "\t".join("\\N" if cell is None else cell.translate(_NEED_SLASH) for cell in cells) + "\n"


def inserted(
    lines: Lines, text: str, begin: int, *, mysql: bool = False, end: re.Pattern[str] | None = None
) -> Iterator[Cells]:
    """The rows of a statement INSERT.

    Parameters
    ----------
    lines : iterator of (int, str)
        What follows the line on which the statement begins; those of the statement are read.
    text : str
        That line, from behind VALUES.
    begin : int
        Its number, for messages.
    mysql : bool
        Whether a backslash escapes within texts, as `mysqldump` writes them.
    end : re.Pattern, optional
        What may follow the rows, to the end of the line. Without it anything may, and is left unread.

    Raises
    ------
    BadRows
        If the statement has no end, or a value is not null, a text, a number, true or false.
    """
    at, place, within = 0, begin, True
    while True:
        if within:
            found = _row(text, at, begin, _MYSQL_VALUE if mysql else _VALUE)
            if found is not None:
                cells, at = found
                yield cells
                within = False
                continue
        elif (comma := _COMMA.match(text, at)) is not None:
            at, within = comma.end(), True
            continue
        elif end is None and text[at:].strip():
            return
        elif end is not None and (last := end.match(text, at)) is not None:
            if last.end() < len(text):
                raise BadRows(f"line {place}: there is more behind the statement: {text[last.end() :][:60]!r}")
            return
        elif text[at:].strip() and ";" in text[at:]:
            raise BadRows(f"line {place}: this is not read behind rows: {text[at:].strip()[:60]!r}")
        following = next(lines, None)
        if following is None or len(text) - at > LONGEST:
            raise BadRows(f"line {begin}: the statement that begins here has no end; the file is truncated")
        # Only what is not yet read stays, so that a statement of many rows is read in linear time.
        place, text, at = following[0], text[at:] + following[1], 0


def _row(text: str, at: int, begin: int, form: re.Pattern[str]) -> tuple[Cells, int] | None:
    """Values in brackets, and where they end; None if they are not complete."""
    cells: Cells = []
    edge = _BRACKET.match(text, at)
    if edge is None and text[at:].strip():
        raise BadRows(f"line {begin}: rows in a form that is not read: {text[at : at + 60].strip()!r}")
    while edge is not None:
        found = form.match(text, edge.end())
        rest = text[edge.end() :] if found is None else text[found.end() : found.end() + 1]
        if found is None or rest not in (",", ")"):
            if rest.strip() and not (found is None and _TEXT_BEGINS.match(rest)):
                raise BadRows(f"line {begin}: a value in a form that is not read: {text[edge.end() :][:60].strip()!r}")
            return None
        cells.append(_cell(found, begin))
        if rest == ")":
            return cells, found.end() + 1
        edge = _COMMA.match(text, found.end())
    return None


def _cell(found: re.Match[str], begin: int) -> str | None:
    parts = found.groupdict()
    if parts["escaped"] is not None:
        return _unescaped(parts["escaped"], quoted=True)
    if parts.get("text") is not None:
        return str(parts["text"]).replace("''", "'")
    word = str(parts["word"])
    if word.upper() == "NULL":
        return None
    if word[0].isalpha() and word.lower() not in ("true", "false"):
        raise BadRows(f"line {begin}: a value in a form that is not read: {word[:60]}")
    return word


def _unescaped(text: str, *, quoted: bool = False) -> str:
    def plain(found: re.Match[str]) -> str:
        return "'" if found[1] is None else _SLASHES.get(found[1], found[1])

    return re.sub(r"\\(.)|''" if quoted else r"\\(.)", plain, text, flags=re.DOTALL)
