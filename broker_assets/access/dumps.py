"""Reads the accounts in a file: JSON, CSV, or the dump of a Django project's database that PostgreSQL or MySQL writes.

Of a dump only the rows of `auth_user`, `auth_group` and `auth_user_groups` are read, whatever else is in it; nothing is
executed. Values are as `pg_dump` (with COPY or INSERT) and `mysqldump` write them.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from broker_assets.access.accounts import BadAccount
from broker_assets.storage.sql_dumps import BadRows, Cells, cells_of, copied, inserted, opened

_USERS, _GROUPS, _MEMBERS = "auth_user", "auth_group", "auth_user_groups"
_TABLES: Final[dict[str, tuple[str, ...]]] = {
    _USERS: (
        "id", "password", "last_login", "is_superuser", "username", "first_name", "last_name", "email", "is_staff",
        "is_active", "date_joined",
    ),
    _GROUPS: ("id", "name"),
    _MEMBERS: ("id", "user_id", "group_id"),
}  # fmt: skip
"""Columns of the tables in the order in which Django creates them, which `mysqldump` does not name."""
_TABLE: Final = r"(?:[`\"]?\w+[`\"]?\.)?[`\"]?(?P<table>" + "|".join(_TABLES) + r")[`\"]?"
_COPY: Final = re.compile(rf"COPY {_TABLE} \((?P<columns>[^()]+)\) FROM stdin;", re.ASCII | re.IGNORECASE)
_INSERT: Final = re.compile(
    rf"INSERT (?:IGNORE )?INTO {_TABLE} *(?:\((?P<columns>[^()]+)\))?\s*VALUES\s*", re.ASCII | re.IGNORECASE
)
_OTHER_COPY: Final = re.compile(r"COPY [^;]+ FROM stdin;\s*$", re.IGNORECASE)
_OTHER_INSERT: Final = re.compile(r"INSERT INTO ", re.IGNORECASE)
_CREATE: Final = re.compile(rf"CREATE TABLE (?:IF NOT EXISTS )?{_TABLE} \(\s*$", re.ASCII | re.IGNORECASE)
_COLUMN: Final = re.compile(r"\s+`(\w+)` ", re.ASCII)
_FALSE: Final = frozenset({"f", "false", "0", "b'0'", ""})


def read_accounts(path: Path) -> list[Any]:
    """Rows of accounts in a file, as `transfer.take_over` takes them.

    Parameters
    ----------
    path : Path
        JSON (of `users export`, or Django's `dumpdata`), CSV with a line of names, or a plain SQL dump; each may be
        compressed by gzip.

    Raises
    ------
    BadAccount
        If it is none of these, is truncated, or has no accounts; the message says what to do.
    OSError
        If it cannot be read.
    """
    try:
        with opened(path) as lines:
            return _read(path, lines)
    except BadRows as error:
        raise BadAccount(str(error)) from None


def _read(path: Path, lines: Iterable[str]) -> list[Any]:
    numbered = iter(lines)
    kept: list[str] = []
    for line in numbered:
        kept.append(line)
        if line.strip():
            break
    first = kept[-1].lstrip("\ufeff").strip() if kept else ""
    if first.startswith(("[", "{")):
        try:
            document = json.loads("".join([*kept, *numbered]).lstrip("\ufeff"))
        except ValueError as error:
            raise BadAccount(f"{path} is not JSON: {error}") from None
        if not isinstance(document, list):
            raise BadAccount("the document must be a list of accounts")
        return document
    names = [name.strip().strip('"') for name in first.split(",")]
    if "username" in names and " " not in first:
        rows = csv.DictReader(numbered, fieldnames=names, strict=True)
        try:
            return [_account({name: value for name, value in row.items() if name}) for row in rows]
        except csv.Error as error:
            raise BadAccount(f"{path}, line {rows.line_num + 1}: {error}") from None
    try:
        found = _dumped([first, *numbered] if first else numbered)
    except BadRows as error:
        raise BadAccount(f"{path}, {error}") from None
    if not found[_USERS]:
        raise BadAccount(f"{path} has no accounts: it is neither JSON, nor CSV with username, nor a dump of {_USERS}")
    groups = {row.get("id"): row.get("name") for row in found[_GROUPS]}
    members: dict[Any, list[str]] = {}
    for row in found[_MEMBERS]:
        name = groups.get(row.get("group_id"))
        if name is not None:
            members.setdefault(row.get("user_id"), []).append(name)
    return [_account(row) | {"groups": sorted(members.get(row.get("id"), []))} for row in found[_USERS]]


def _dumped(lines: Iterable[str]) -> dict[str, list[dict[str, str | None]]]:
    """Rows of the tables, with values as text."""
    found: dict[str, list[dict[str, str | None]]] = {table: [] for table in _TABLES}
    columns = dict(_TABLES)
    numbered = enumerate(lines, start=1)
    for number, line in numbered:
        if (copy := _COPY.match(line)) is not None:
            names = _names(copy["columns"])
            for row in copied(numbered, number):
                _add(found, copy["table"], names, cells_of(row), number)
        elif _OTHER_COPY.match(line):
            for _ in copied(numbered, number):
                pass
        elif (create := _CREATE.match(line)) is not None:
            names = []
            for _, row in numbered:
                column = _COLUMN.match(row)
                if column is None:
                    break
                names.append(column[1])
            columns[create["table"].lower()] = tuple(names) or columns[create["table"].lower()]
        elif (insert := _INSERT.match(line)) is not None:
            names = _names(insert["columns"]) if insert["columns"] else list(columns[insert["table"].lower()])
            # MySQL names its tables in backquotes, and escapes within texts.
            mysql = "`" in line[: insert.end()]
            for cells in inserted(numbered, line[insert.end() :], number, mysql=mysql):
                _add(found, insert["table"], names, cells, number)
        elif _OTHER_INSERT.match(line) and "`" not in line:
            # PostgreSQL writes line ends within texts as they are: what looks like a statement may be in one.
            quotes = line.count("'")
            while quotes % 2 or not line.rstrip().endswith(";"):
                _, line = next(numbered, (0, "';" if quotes % 2 else ";"))
                quotes += line.count("'")
    return found


def _add(
    found: dict[str, list[dict[str, str | None]]], table: str, names: list[str], cells: Cells, number: int
) -> None:
    if len(cells) != len(names):
        raise BadRows(f"line {number}: a row of {table} has {len(cells)} values, and there are {len(names)} columns")
    found[table.lower()].append(dict(zip(names, cells, strict=True)))


def _names(columns: str) -> list[str]:
    return [name.strip().strip('`"') for name in columns.split(",")]


def _account(row: dict[str, str | None]) -> dict[str, Any]:
    """A row of text as one of JSON."""
    found: dict[str, Any] = dict(row)
    number = (row.get("id") or "").strip()
    found["id"] = int(number) if re.fullmatch(r"\d{1,18}", number, re.ASCII) else (number or None)
    for name in ("is_active", "is_staff", "is_superuser"):
        if name in row:
            found[name] = str(row[name] or "").strip().lower() not in _FALSE
    if not (row.get("is_active") or "").strip():
        found.pop("is_active", None)
    return found
