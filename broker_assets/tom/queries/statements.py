"""Statements from users: checks them, inserts their values, and separates them.

The driver writes values as literals, as in the original: a list becomes a tuple (`IN %(names)s`), and one text may have
several statements. PostgreSQL gets each statement alone, and refuses a text in which it finds two. Statements that
would end the transaction, which must be rolled back, are recognised by their first word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.adapt import Dumper, Transformer

Values = Mapping[str, Any]

_TRANSACTIONS: Final = frozenset({"abort", "begin", "commit", "end", "release", "rollback", "savepoint", "start"})
"""First words of statements that begin or end transactions."""
_TOKEN: Final = re.compile(
    r"""
    (?P<comment> --[^\n]* )
  | (?P<nested> /\* )
  | (?P<text> (?<![A-Za-z0-9_$]) [eE] '(?: [^'\\] | '' | \\. )*' | '(?: [^'] | '' )*' | "(?: [^"] | "" )*" )
  | (?P<dollar> (?<![A-Za-z0-9_$\x80-\uffff]) \$ (?: [A-Za-z_\x80-\uffff][A-Za-z0-9_\x80-\uffff]* )? \$ )
  | (?P<end> ; )
  | (?P<atomic> \b BEGIN \s+ ATOMIC \b )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
_SPACE: Final = " \t\n\r\f\v"
_WORD: Final = re.compile(r"[A-Za-z]+")


class BadStatementError(ValueError):
    """The statements cannot be run; the message says why."""


@dataclass(frozen=True)
class Statement:
    """A text and the values for its placeholders."""

    text: str
    values: Values


def statements_of(query: Any, values: Any) -> list[Statement]:
    """Check the statements of a client.

    Parameters
    ----------
    query : str or list of str
        SQL with placeholders `%(name)s`; percent signs are doubled.
    values : dict, list of dict, or None
        Values of each query.

    Returns
    -------
    list of Statement
        At least one.

    Raises
    ------
    BadStatementError
        If they are not valid; the message is that of the original.
    """
    queries = [query] if isinstance(query, str) else query
    if not isinstance(queries, list):
        raise BadStatementError("query must be either a list of strings or a string")
    if not all(isinstance(text, str) for text in queries):
        raise BadStatementError("queries must all be strings")
    if values is None:
        values = [{}] * len(queries)
    given = [values] if isinstance(values, dict) else values
    if not isinstance(given, list):
        raise BadStatementError("subdict must be either a list of dicts or a dict")
    if not all(isinstance(one, dict) for one in given):
        raise BadStatementError("subdicts must all be dicts")
    if len(given) != len(queries):
        raise BadStatementError("number of queries and subdicts must match")
    if not queries:
        raise BadStatementError("query must have at least one statement")
    return [Statement(text, one) for text, one in zip(queries, given, strict=True)]


class _Listed(tuple[Any, ...]):
    """A list of values, which becomes a tuple of SQL."""

    __slots__ = ()


class _ListedDumper(Dumper):
    """Writes a tuple for `IN`."""

    def dump(self, obj: _Listed) -> bytes:
        return self.quote(obj)

    def quote(self, obj: _Listed) -> bytes:  # type: ignore[override]
        writer = Transformer.from_context(self.connection)
        # No value is in an empty list, but `IN ()` would be an error.
        return b"(" + b", ".join(writer.as_literal(item) for item in obj) + b")" if obj else b"(NULL)"


def complete(connection: psycopg.Connection[Any], statement: Statement) -> list[str]:
    """Insert the values of a statement, and separate the statements that it contains.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection on which it will run: the form of literals depends on it.
    statement : Statement
        A checked statement.

    Returns
    -------
    list of str
        One statement each, without the semicolon.

    Raises
    ------
    BadStatementError
        If a placeholder has no value, a percent sign is not doubled, a value cannot be written in SQL, or the statement
        would begin or end a transaction.
    """
    connection.adapters.register_dumper(_Listed, _ListedDumper)
    values = {name: _Listed(map(_flat, value)) if isinstance(value, list) else _flat(value)
              for name, value in statement.values.items()}  # fmt: skip
    try:
        text = psycopg.ClientCursor(connection).mogrify(statement.text, values)  # type: ignore[arg-type]
    except psycopg.Error as error:
        if "incomplete placeholder" in str(error):
            # The message of the original, whose documentation says that percent signs must be doubled.
            raise BadStatementError("dict is not a sequence") from None
        raise BadStatementError(str(error)) from None
    except TypeError:
        # As above: the driver takes %s for the first of a list of values.
        raise BadStatementError("dict is not a sequence") from None
    if "\0" in text:
        # PostgreSQL would take what is before it for the whole.
        raise BadStatementError("the query has a NUL character")
    pieces = separated(text)
    for piece in pieces:
        word = _WORD.match(piece)
        if word is not None and word[0].lower() in _TRANSACTIONS:
            raise BadStatementError(f"{word[0].upper()} is not possible: every request is one transaction, "
                                    "which is rolled back in the end")  # fmt: skip
    if not pieces:
        raise BadStatementError("can't execute an empty query")
    return pieces


def _flat(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise BadStatementError(
            "subdict must have plain values, or lists of them: numbers, strings, true, false or null"
        )
    return value


def separated(text: str) -> list[str]:
    """Split SQL at the semicolons between statements, and remove the comments before each.

    Examples
    --------
    >>> separated("SELECT ';' AS a; /* x; */ SELECT 2;")
    ["SELECT ';' AS a", 'SELECT 2']
    """
    pieces: list[str] = []
    begin = place = 0
    while (token := _TOKEN.search(text, place)) is not None:
        place = token.end()
        kind = token.lastgroup
        if kind == "nested":
            place = _after_comment(text, place)
        elif kind == "dollar":
            closing = text.find(token[0], place)
            place = len(text) if closing < 0 else closing + len(token[0])
        elif kind == "atomic":
            place = len(text)  # the body of a function; PostgreSQL checks the rest
        elif kind == "end":
            pieces.append(text[begin : token.start()])
            begin = place
    pieces.append(text[begin:])
    return [piece for piece in map(_without_comments_before, pieces) if piece]


def _after_comment(text: str, place: int) -> int:
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(text, place)) is not None:
        depth += 1 if edge[0] == "/*" else -1
        place = edge.end()
    return len(text) if depth else place


def _without_comments_before(text: str) -> str:
    while True:
        text = text.strip(_SPACE)
        if text.startswith("--"):
            text = text.partition("\n")[2]
        elif text.startswith("/*"):
            text = text[_after_comment(text, 2) :]
        else:
            return text


def as_statement(piece: str) -> sql.SQL:
    """A statement from `complete`, which has no placeholders left."""
    return sql.SQL(piece)  # type: ignore[arg-type]


__all__: Sequence[str] = ["BadStatementError", "Statement", "as_statement", "complete", "separated", "statements_of"]
