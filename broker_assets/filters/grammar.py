"""Parses text into a tree of sqlglot: only the words of the language, and no functions of any database.

The dialect reads texts in single or double quotes and names in backquotes, as in MySQL, which is what Lasair's users
write. Functions remain plain names: which exist and what they mean is defined only in `functions`.
"""

from __future__ import annotations

import sqlglot
import sqlglot.generator
import sqlglot.parser
import sqlglot.tokens
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError

from broker_assets.filters.errors import Refused
from broker_assets.filters.lexicon import blank_comments, tokens
from broker_assets.filters.mistakes import meant, unlisted

_PARSERS = sqlglot.parser.Parser


class Language(Dialect):
    """The dialect of filters."""

    class Tokenizer(sqlglot.tokens.Tokenizer):
        """MySQL's quotes, without its escapes and comments."""

        QUOTES = ["'", '"']  # noqa: RUF012 - as declared by the library
        IDENTIFIERS = ["`"]  # noqa: RUF012
        COMMENTS = []  # noqa: RUF012

    class Parser(_PARSERS):
        """Reads every function as a name with arguments."""

        FUNCTIONS = {}  # noqa: RUF012
        NO_PAREN_FUNCTIONS = {}  # noqa: RUF012
        FUNCTION_PARSERS = {"CAST": _PARSERS.FUNCTION_PARSERS["CAST"]}  # noqa: RUF012
        NO_PAREN_FUNCTION_PARSERS = {"CASE": _PARSERS.NO_PAREN_FUNCTION_PARSERS["CASE"]}  # noqa: RUF012

    class Generator(sqlglot.generator.Generator):
        """Expressions for people to read: `a IS NOT NULL`, where the library writes `NOT a IS NULL`."""

        def not_sql(self, expression: exp.Not) -> str:
            """Write NOT next to the word to which it belongs."""
            inner = expression.this.unnest()
            subject = self.sql(inner, "this")
            if isinstance(inner, exp.Is):
                return f"{subject} IS NOT {self.sql(inner, 'expression')}"
            if isinstance(inner, exp.In) and inner.args.get("query") is not None:
                return f"{subject} NOT IN {self.sql(inner, 'query')}"
            if isinstance(inner, exp.In):
                return f"{subject} NOT IN ({self.expressions(inner, flat=True)})"
            if isinstance(inner, exp.Between):
                return f"{subject} NOT BETWEEN {self.sql(inner, 'low')} AND {self.sql(inner, 'high')}"
            return str(super().not_sql(expression))


def parse(text: str) -> exp.Select | exp.Union:
    """Parse one SELECT, or several that UNION joins.

    Raises
    ------
    Refused
        If the text is not one statement of this kind, or uses more than the language has; `at` is the position.
    """
    found = tokens(text)
    if not found:
        raise Refused("the filter is empty", example="SELECT diaObjectId FROM objects WHERE nDiaSources > 3", at=0)
    first = next((token for token in found if token.text == ";"), None)
    if first is not None and first is not found[-1]:
        raise Refused("one statement is accepted; there is more after this semicolon", at=first.start)
    if found[0].upper not in ("SELECT", "WITH"):
        raise Refused(
            f"a filter is one SELECT; this begins with {found[0].text}",
            example="SELECT diaObjectId FROM objects WHERE nDiaSources > 3",
            at=found[0].start,
        )
    value = unlisted(found)
    if value is not None:
        raise Refused("the values after IN are in parentheses", example="x IN ('a', 'b')", at=value.start)
    try:
        trees = sqlglot.parse(blank_comments(text), read=Language)
    except ParseError as error:
        first_error = error.errors[0] if error.errors else {}
        line, column = first_error.get("line") or 1, first_error.get("col") or 1
        starts = [0, *(number + 1 for number, character in enumerate(text) if character == "\n")]
        near = first_error.get("highlight") or ""
        at = starts[min(line, len(starts)) - 1] + max(column - len(near), 0)
        said = f" near {near}" if near else ""
        hint = meant(found, at) or "Something is missing or left over there."
        raise Refused(f"this is not valid SQL{said}.", suggestion=hint, at=at) from None
    except (TokenError, RecursionError) as error:
        raise Refused(f"the text cannot be read: {type(error).__name__}", at=0) from None
    tree = trees[0] if trees else None
    if not isinstance(tree, exp.Select | exp.Union):
        raise Refused(
            "a filter is one SELECT, or several with UNION between them; EXCEPT and INTERSECT are not accepted.",
            suggestion="Write NOT EXISTS (SELECT …) for what is not in another table.",
            at=found[0].start,
        )
    return tree


def parse_select(text: str) -> exp.Select:
    """Parse one SELECT without UNION.

    Raises
    ------
    Refused
        See `parse`.
    """
    tree = parse(text)
    if not isinstance(tree, exp.Select):
        raise Refused("UNION is not accepted in a form.", suggestion="Write the filter as one SELECT.", at=0)
    return tree


def rendered(node: exp.Expression) -> str:
    """An expression as text for people to read.

    Examples
    --------
    >>> rendered(parse("SELECT NOT(a is null)and b not in(1,2) FROM t").expressions[0])
    'a IS NOT NULL AND b NOT IN (1, 2)'
    """
    return node.sql(dialect=Language)


def position(node: exp.Expression) -> int | None:
    """First character of an expression in its text, from 0; None if no part of it has a position."""
    places = [item.meta["start"] for item in node.walk() if "start" in item.meta]
    return min(places, default=None)
