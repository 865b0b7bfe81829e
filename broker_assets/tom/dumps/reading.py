"""Reads the rows of plain SQL dumps of DESC's TOM, and nothing else in them.

The rows of a dump are blocks `COPY table (columns) FROM stdin;` as pg_dump writes them, or statements
`INSERT INTO table (columns) VALUES …` as it writes them with `--column-inserts`; a file with rows in another form is
refused. Of the other statements only the values of sequences are used; nothing in a file is executed. Stored rows are
left as they are: a classifier that is already stored under another number keeps that number, and messages refer to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg import sql

from broker_assets.database.tables.tom import TOM_VIEWS, tom_metadata
from broker_assets.storage.sql_dumps import CLIENT_ENCODING, BadRows, copied, inserted, line_of

_TABLE: Final = r'(?:(?P<schema>\w+|"[^"]+")\s*\.\s*)?(?P<table>\w+|"[^"]+")\s*(?:\((?P<columns>[^()]+)\))?\s*'
_COPY: Final = re.compile(rf"\s*COPY\s+{_TABLE}FROM\s+STDIN\b(?P<options>[^;]*);", re.IGNORECASE)
_INSERT: Final = re.compile(rf"\s*INSERT\s+INTO\s+{_TABLE}(?:OVERRIDING\s+\w+\s+VALUE\s+)?VALUES\b", re.IGNORECASE)
_ROWS: Final = re.compile(r"\s*(COPY\s.*\bFROM\s+STDIN\b|INSERT\s+INTO\b)", re.IGNORECASE)
"""Beginning of a statement with rows, in whichever form."""
_END: Final = re.compile(r"\s*(?:ON\s+CONFLICT\s+DO\s+NOTHING\s*)?;\s*", re.IGNORECASE)
_SETVAL: Final = re.compile(
    r"""SELECT (?:pg_catalog\.)?setval\('(?:public\.)?(?P<name>"?\w+"?)', (?P<value>\d+), (?:true|false)\);""",
    re.ASCII | re.IGNORECASE,
)
_IGNORED: Final = re.compile(r"(--|SET |SELECT pg_catalog\.set_config\(|\\(un)?restrict |BEGIN|COMMIT)")
_TAXONOMY: Final = ("elasticc2_gentypeofclassid", "elasticc2_classidofgentype")
_CLASSIFIERS: Final = "elasticc2_brokerclassifier"
_MESSAGES: Final = "elasticc2_brokermessage"
_KEYS: Final = {
    "elasticc2_diaobject": ("diaobject_id",),
    "elasticc2_diasource": ("diasource_id",),
    "elasticc2_diaforcedsource": ("diaforcedsource_id", "diaobject_id"),
}
"""Key columns that identify a row of a view."""


_DOLLARS: Final = re.compile(r"\$(?:[A-Za-z_]\w*)?\$")


class BadDump(ValueError):
    """A file is not a dump that can be read; the message gives the line."""


@dataclass
class Read:
    """Content of a dump."""

    rows: dict[str, int] = field(default_factory=dict)
    """Rows of each table."""
    stored: dict[str, int] = field(default_factory=dict)
    """Number of them that are new, by table."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Rows of tables that do not exist here, or are not taken over."""
    statements: int = 0
    """Lines of other statements, which were not executed."""


def import_dump(connection: psycopg.Connection[Any], lines: Iterable[str]) -> Read:
    """Import a dump, all or nothing.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    lines : iterable of str
        Lines of the file, with line ends; see `storage.sql_dumps.opened`.

    Returns
    -------
    Read
        Counts.

    Raises
    ------
    BadDump
        If rows do not end, have another form, do not name their columns, or name columns that their table does not
        have; if there are none, or messages of a classifier that the file does not have before them.
    psycopg.Error
        If a value does not fit its column.
    """
    done = Read()
    numbered = _Lines(lines)
    first = ""
    with connection.transaction():
        connection.execute("CREATE TEMPORARY TABLE tom_dump_classifiers (given bigint, here bigint) ON COMMIT DROP")
        for place, line in numbered:
            if _ROWS.match(line):
                try:
                    _statement(connection, done, numbered, line, place)
                except BadRows as error:
                    raise BadDump(str(error)) from None
                continue
            quote = _DOLLARS.search(line)
            if quote is not None and line.count(quote[0]) % 2:
                # The body of a function: what it inserts is not in the dump.
                done.statements += 1 + next((n for n, (_, text) in enumerate(numbered, 1) if quote[0] in text), 0)
                continue
            value = _SETVAL.match(line)
            encoding = CLIENT_ENCODING.match(line)
            if value is not None:
                _advance(connection, value["name"].strip('"'), int(value["value"]))
            elif encoding is not None:
                # The file was opened in its first encoding.
                first = first or encoding["name"].upper()
                if encoding["name"].upper() != first:
                    raise BadDump(
                        f"line {place}: the file is in {first} before this line, and in {encoding['name']} after"
                    )
            elif line.strip() and not _IGNORED.match(line):
                done.statements += 1
        if not done.rows and not done.skipped:
            raise BadDump("it has no rows: is it a plain SQL dump?")
        # A dump of chosen tables says nothing about sequences, and the next row must not get a number that is stored.
        for table, stored in done.stored.items():
            if stored:
                _continue_numbers(connection, table)
    return done


class _Lines:
    """Lines with their numbers, of which one can be given back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._numbered = iter(enumerate(lines, start=1))
        self._given_back: tuple[int, str] | None = None

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        found, self._given_back = self._given_back, None
        return next(self._numbered) if found is None else found

    def back(self, place: int, line: str) -> None:
        """The next line is this one."""
        self._given_back = (place, line)


def _statement(connection: psycopg.Connection[Any], done: Read, lines: _Lines, line: str, place: int) -> None:
    """Import the rows that begin at a line."""
    copy, insert = _COPY.match(line), _INSERT.match(line)
    if copy is not None and copy["options"].strip():
        raise BadDump(f"line {place}: rows in another form than that of pg_dump: COPY …{copy['options'][:60]}")
    found = copy or insert
    if found is None:
        raise BadDump(f"line {place}: rows in a form that is not read: {line.strip()[:80]}")
    schema, table, names = _target(found, place)
    rows = copied(lines, place) if copy is not None else _inserted(lines, line, place, (schema, table, names))
    # Only the tables in `public` are those of the TOM; others with the same name are skipped.
    _block(connection, done, table if schema in ("", "public") else f"{schema}.{table}", names, rows, place)


def _target(found: re.Match[str], place: int) -> tuple[str, str, list[str]]:
    """Schema, table and columns of a statement with rows."""
    schema, table = (_name(found[part] or "") for part in ("schema", "table"))
    if found["columns"] is None:
        raise BadDump(f"line {place}: the rows of {table} do not name their columns; dump it with --column-inserts")
    return schema, table, [_name(name.strip()) for name in found["columns"].split(",")]


def _name(text: str) -> str:
    return text[1:-1] if text.startswith('"') else text.lower()


def _inserted(lines: _Lines, line: str, place: int, target: tuple[str, str, list[str]]) -> Iterator[str]:
    """Rows of statements INSERT in the form of COPY, as long as they are of the same table and columns."""
    while True:
        found = _INSERT.match(line)
        if found is None or _target(found, place) != target:
            lines.back(place, line)
            return
        for cells in inserted(lines, line[found.end() :], place, end=_END):
            if len(cells) != len(target[2]):
                raise BadDump(f"line {place}: {len(cells)} values of {len(target[2])} columns")
            yield line_of(cells)
        after = next(lines, None)
        if after is None:
            return
        place, line = after


def _block(
    connection: psycopg.Connection[Any], done: Read, table: str, names: list[str], rows: Iterator[str], place: int
) -> None:
    known = _columns(connection, table) if table in tom_metadata.tables or table in TOM_VIEWS else []
    if not known or table in _TAXONOMY:
        done.skipped[table] = done.skipped.get(table, 0) + sum(1 for _ in rows)
        return
    missing = [name for name in names if name not in known]
    if missing:
        raise BadDump(f"line {place}: {table} has no column {missing[0]}")
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    target = sql.Identifier(table)
    connection.execute("DROP TABLE IF EXISTS pg_temp.tom_dump")
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE tom_dump ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            columns, target
        )
    )
    count = 0
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY tom_dump ({}) FROM STDIN").format(columns)) as copy:
        for line in rows:
            copy.write(line)
            count += 1
    if table == _CLASSIFIERS:
        stored = _classifiers(connection, columns)
    elif table == _MESSAGES:
        _know_classifiers(connection, place)
        stored = _messages(connection, names)
    elif table in _KEYS:
        same = sql.SQL(" AND ").join(
            sql.SQL("known.{0} = given.{0}").format(sql.Identifier(key)) for key in _KEYS[table]
        )
        stored = connection.execute(
            sql.SQL(
                "INSERT INTO {target} ({columns}) SELECT {columns} FROM tom_dump AS given"
                " WHERE NOT EXISTS (SELECT FROM {target} AS known WHERE {same})"
            ).format(target=target, columns=columns, same=same)
        ).rowcount
    else:
        stored = connection.execute(
            sql.SQL("INSERT INTO {target} ({columns}) SELECT {columns} FROM tom_dump ON CONFLICT DO NOTHING").format(
                target=target, columns=columns
            )
        ).rowcount
    done.rows[table] = done.rows.get(table, 0) + count
    done.stored[table] = done.stored.get(table, 0) + stored


def _columns(connection: psycopg.Connection[Any], table: str) -> list[str]:
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        (table,),
    )
    return [row[0] for row in rows]


_SAME: Final = (
    "known.brokername = given.brokername AND known.classifiername = given.classifiername"
    " AND known.brokerversion IS NOT DISTINCT FROM given.brokerversion"
    " AND known.classifierparams IS NOT DISTINCT FROM given.classifierparams"
)


def _classifiers(connection: psycopg.Connection[Any], columns: sql.Composed) -> int:
    """Insert new classifiers, under their number in the dump where it is free."""
    stored = connection.execute(
        sql.SQL(
            "INSERT INTO elasticc2_brokerclassifier ({}) SELECT {} FROM tom_dump ORDER BY classifier_id"
            " ON CONFLICT DO NOTHING"
        ).format(columns, columns)
    ).rowcount
    stored += connection.execute(
        "INSERT INTO elasticc2_brokerclassifier (brokername, brokerversion, classifiername, classifierparams)"  # noqa: S608
        " SELECT DISTINCT brokername, brokerversion, classifiername, classifierparams FROM tom_dump AS given"
        f" WHERE NOT EXISTS (SELECT FROM elasticc2_brokerclassifier AS known WHERE {_SAME})"
    ).rowcount
    connection.execute(
        "INSERT INTO tom_dump_classifiers SELECT given.classifier_id, known.classifier_id FROM tom_dump AS given"  # noqa: S608
        f" JOIN elasticc2_brokerclassifier AS known ON {_SAME}"
    )
    return stored


def _know_classifiers(connection: psycopg.Connection[Any], place: int) -> None:
    """Refuse messages of classifiers that the dump does not have: here, their numbers are of others."""
    row = connection.execute(
        "SELECT classifier_id FROM tom_dump WHERE NOT EXISTS (SELECT FROM tom_dump_classifiers"
        " WHERE given = classifier_id) ORDER BY 1 LIMIT 1"
    ).fetchone()
    if row is not None:
        raise BadDump(
            f"line {place}: messages of classifier {row[0]}, which the file does not have before them; dump the table"
            f" {_CLASSIFIERS} with them"
        )


def _messages(connection: psycopg.Connection[Any], names: list[str]) -> int:
    """Insert messages that are not stored yet; those whose number is taken get another one."""
    connection.execute(
        "UPDATE tom_dump SET classifier_id = here FROM tom_dump_classifiers AS renamed"
        " WHERE classifier_id = renamed.given AND here <> classifier_id"
    )
    # Dumps do not contain the Kafka partitions of messages, so no unique key can recognise messages that were consumed.
    connection.execute(
        "DELETE FROM tom_dump AS given USING elasticc2_brokermessage AS known WHERE known.alert_id = given.alert_id"
        " AND known.classifier_id = given.classifier_id AND known.topicname IS NOT DISTINCT FROM given.topicname"
        " AND known.streammessage_id IS NOT DISTINCT FROM given.streammessage_id"
        " AND known.elasticcpublishtimestamp IS NOT DISTINCT FROM given.elasticcpublishtimestamp"
    )
    stored = 0
    others = [name for name in names if name != "brokermessage_id"]
    for chosen, condition in (
        (names, "NOT EXISTS"),
        (others, "EXISTS"),
    ):
        columns = sql.SQL(", ").join(map(sql.Identifier, chosen))
        taken = sql.SQL(condition) + sql.SQL(" (SELECT FROM tom_dump_taken WHERE number = brokermessage_id)")
        if chosen is names:
            connection.execute("DROP TABLE IF EXISTS pg_temp.tom_dump_taken")
            connection.execute(
                "CREATE TEMPORARY TABLE tom_dump_taken ON COMMIT DROP AS SELECT brokermessage_id AS number"
                " FROM elasticc2_brokermessage WHERE brokermessage_id IN (SELECT brokermessage_id FROM tom_dump)"
            )
        stored += connection.execute(
            sql.SQL(
                "INSERT INTO elasticc2_brokermessage ({columns}) SELECT {columns} FROM tom_dump WHERE {taken}"
                " ORDER BY brokermessage_id ON CONFLICT DO NOTHING"
            ).format(columns=columns, taken=taken)
        ).rowcount
    return stored


def _continue_numbers(connection: psycopg.Connection[Any], table: str) -> None:
    """Continue the sequences of a table behind the numbers that are stored."""
    sequences = connection.execute(
        "SELECT attname, pg_get_serial_sequence(quote_ident(%(table)s), attname) FROM pg_attribute"
        " WHERE attrelid = to_regclass(quote_ident(%(table)s)) AND attnum > 0 AND NOT attisdropped"
        " AND pg_get_serial_sequence(quote_ident(%(table)s), attname) IS NOT NULL",
        {"table": table},
    ).fetchall()
    for column, sequence in sequences:
        query = sql.SQL(
            "SELECT setval({text}::regclass, greatest(last_value, (SELECT max({column}) FROM {table}))) FROM {sequence}"
        )
        parts = (sql.Identifier(part.strip('"')) for part in sequence.split(".", 1))
        connection.execute(
            query.format(
                text=sql.Literal(sequence),
                column=sql.Identifier(column),
                table=sql.Identifier(table),
                sequence=sql.SQL(".").join(parts),
            )
        )


def _advance(connection: psycopg.Connection[Any], name: str, value: int) -> None:
    """Continue a sequence after the numbers in the dump and those that are stored."""
    row = connection.execute("SELECT to_regclass(%s)::oid", (sql.Identifier(name).as_string(connection),)).fetchone()
    if row is None or row[0] is None or not name.startswith("elasticc2_"):
        return
    query = sql.SQL("SELECT setval({oid}::regclass, greatest({value}, last_value)) FROM {name}")
    connection.execute(query.format(oid=sql.Literal(row[0]), value=sql.Literal(value), name=sql.Identifier(name)))
