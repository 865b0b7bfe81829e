"""Expressions in both engines at once: a type, the text for DuckDB, the text for PostgreSQL.

Both texts mean the same by construction. The rules:

- Whole numbers are 64-bit. What could exceed them is refused when the filter is checked, from the ranges of its parts.
- Numbers are float64. A result that is not finite is NULL: division by zero, the logarithm of a negative number, an
  overflow, arithmetic with NaN. DuckDB computes as IEEE 754 says and the result is tested once; PostgreSQL, which
  raises errors, computes with our functions (`filter_…`).
- Texts are compared by their bytes: case and accents count, and the order is that of code points.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from broker_assets.filters.errors import Refused
from broker_assets.filters.schema import Kind

LARGEST = 2**63 - 1
"""Largest whole number."""

MAX_SQL = 100_000
"""Longest translation, characters; guards repeat their argument."""

NUMERIC = (Kind.INTEGER, Kind.REAL)

_NUMBER = r"^[+-]?([0-9]{1,30}([.][0-9]{0,30})?|[.][0-9]{1,30})([eE][+-]?[0-9]{1,2})?$"
"""Texts that are numbers; never one that overflows."""
_WHOLE = r"^[+-]?[0-9]{1,18}$"

NULLS = {
    Kind.INTEGER: ("CAST(NULL AS BIGINT)", "NULL::bigint"),
    Kind.REAL: ("CAST(NULL AS DOUBLE)", "NULL::float8"),
    Kind.TEXT: ("CAST(NULL AS VARCHAR)", "NULL::text"),
    Kind.BOOLEAN: ("CAST(NULL AS BOOLEAN)", "NULL::boolean"),
    Kind.TIME: ("CAST(NULL AS TIMESTAMP)", "NULL::timestamp"),
}


@dataclass(frozen=True, slots=True)
class Value:
    """An expression of the language."""

    kind: Kind
    duckdb: str
    postgres: str
    columns: frozenset[tuple[str, str]] = frozenset()
    """(alias, SQL name) of the columns that it reads outside aggregates."""
    low: int = -LARGEST - 1
    high: int = LARGEST
    """Range of a whole number."""
    unguarded: bool = False
    """Whether DuckDB may give a number that is not finite where PostgreSQL gives NULL."""
    constant: str | int | float | bool | None = None
    """Value of a literal."""
    exact: int | None = None
    """What a literal with a fraction or an exponent is as written, if that is whole: `12.0`, `1e18`. A float64 has 53
    bits, and an identifier has 64."""
    aggregate: bool = False
    """Whether it contains an aggregate."""

    def __post_init__(self) -> None:
        if max(len(self.duckdb), len(self.postgres)) > MAX_SQL:
            raise Refused(
                "the expression is too complex.",
                suggestion="Divisions and functions within one another multiply its size; split it.",
            )


def both(kind: Kind, duckdb: str, postgres: str, *parts: Value, **options: object) -> Value:
    """A value made of parts, with what it inherits from them."""
    columns = frozenset().union(*(part.columns for part in parts)) if parts else frozenset()
    aggregate = any(part.aggregate for part in parts)
    return Value(kind, duckdb, postgres, **({"columns": columns, "aggregate": aggregate} | options))  # type: ignore[arg-type]


def same(kind: Kind, template: str, *parts: Value, **options: object) -> Value:
    """A value whose text is the same in both engines but for its parts.

    Parameters
    ----------
    kind : Kind
        Its type.
    template : str
        Text with `{0}`, `{1}` … for the parts.
    """
    duckdb = template.format(*(part.duckdb for part in parts))
    postgres = template.format(*(part.postgres for part in parts))
    return both(kind, duckdb, postgres, *parts, **options)


def quoted(text: str) -> str:
    """A text as a literal of both engines; texts here have no control characters."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """A name as an identifier of both engines."""
    return '"' + text.replace('"', '""') + '"'


def text(value: str) -> Value:
    """A text literal."""
    literal = quoted(value)
    return Value(Kind.TEXT, literal, f"{literal}::text", constant=value)


def integer(value: int) -> Value:
    """A literal of a whole number."""
    if abs(value) > LARGEST:
        raise Refused("the whole number exceeds 64 bits")
    return Value(Kind.INTEGER, f"CAST({value} AS BIGINT)", f"({value})::bigint", low=value, high=value, constant=value)


def real(value: float) -> Value:
    """A literal of a number; exact in both engines."""
    if value in (float("inf"), float("-inf")) or value != value:
        raise Refused("the number is too large")
    return Value(Kind.REAL, f"CAST('{value!r}' AS DOUBLE)", f"'{value!r}'::float8", constant=value)


def number(written: str) -> Value:
    """A literal of a number as it is written: whole without point and exponent, else with a fraction.

    Examples
    --------
    >>> number("313888648236204051.0").exact
    313888648236204051
    >>> number("12").kind is Kind.INTEGER, number("1.5").exact
    (True, None)
    """
    if re.fullmatch("[+-]?[0-9]{1,19}", written) and abs(int(written)) <= LARGEST:
        return integer(int(written))
    value, as_written = real(float(written)), Decimal(written)
    return replace(value, exact=int(as_written)) if as_written == as_written.to_integral_value() else value


def boolean(value: bool) -> Value:
    """TRUE or FALSE."""
    word = str(value).upper()
    return Value(Kind.BOOLEAN, word, word, constant=value)


def guarded(value: Value) -> Value:
    """A number that is finite or NULL in DuckDB too."""
    if not value.unguarded:
        return value
    return replace(value, duckdb=f"(CASE WHEN isfinite({value.duckdb}) THEN {value.duckdb} END)", unguarded=False)


def finite(value: Value) -> Value:
    """A number that is finite or NULL in both engines, whatever the table contains."""
    if value.kind is not Kind.REAL or value.constant is not None:
        return value
    if value.unguarded:
        return guarded(value)
    return replace(
        value,
        duckdb=f"(CASE WHEN isfinite({value.duckdb}) THEN {value.duckdb} END)",
        postgres=f"filter_finite({value.postgres})",
    )


def as_real(value: Value, what: str = "this") -> Value:
    """A value as a number.

    Raises
    ------
    Refused
        If it is not a number.
    """
    if value.kind is Kind.REAL:
        return value
    if value.kind is Kind.INTEGER:
        if isinstance(value.constant, int):
            return real(float(value.constant))
        return both(Kind.REAL, f"CAST({value.duckdb} AS DOUBLE)", f"({value.postgres})::float8", value)
    if value.kind is Kind.BOOLEAN:
        return both(
            Kind.REAL, f"CAST(CAST({value.duckdb} AS BIGINT) AS DOUBLE)", f"({value.postgres})::int::float8", value
        )
    if value.kind is Kind.JSON:
        return text_as_real(value)
    if value.kind is Kind.NULL:
        return typed_null(Kind.REAL)
    if value.kind is Kind.TEXT and isinstance(value.constant, str) and re.fullmatch(_NUMBER, value.constant):
        return number(value.constant)
    raise Refused(f"{what} is {value.kind.value}; a number is needed.", suggestion="CAST(x AS DOUBLE) makes one.")


def text_as_real(value: Value) -> Value:
    """The number that a text is, or NULL."""
    return both(
        Kind.REAL,
        f"(CASE WHEN regexp_matches({value.duckdb}, '{_NUMBER}') THEN CAST({value.duckdb} AS DOUBLE) END)",
        f"(CASE WHEN {value.postgres} ~ '{_NUMBER}' THEN ({value.postgres})::float8 END)",
        value,
    )


def text_as_integer(value: Value) -> Value:
    """The whole number that a text is, or NULL."""
    return both(
        Kind.INTEGER,
        f"(CASE WHEN regexp_matches({value.duckdb}, '{_WHOLE}') THEN CAST({value.duckdb} AS BIGINT) END)",
        f"(CASE WHEN {value.postgres} ~ '{_WHOLE}' THEN ({value.postgres})::bigint END)",
        value,
        low=-(10**18),
        high=10**18,
    )


def typed_null(kind: Kind) -> Value:
    """NULL of a type."""
    duckdb, postgres = NULLS.get(kind, ("NULL", "NULL"))
    return Value(kind, duckdb, postgres)


def as_text(value: Value, what: str = "this") -> Value:
    """A value as text; numbers with a fraction are refused, since engines write them differently."""
    if value.kind is Kind.TEXT:
        return value
    if value.kind is Kind.JSON:
        return replace(value, kind=Kind.TEXT)
    if value.kind is Kind.NULL:
        return typed_null(Kind.TEXT)
    if value.kind is Kind.INTEGER:
        return both(Kind.TEXT, f"CAST({value.duckdb} AS VARCHAR)", f"({value.postgres})::text", value)
    raise Refused(f"{what} is {value.kind.value}; text is needed")


def as_condition(value: Value, what: str = "this") -> Value:
    """A value as a condition."""
    if value.kind is Kind.NULL:
        return typed_null(Kind.BOOLEAN)
    if value.kind is not Kind.BOOLEAN:
        raise Refused(
            f"{what} is {value.kind.value}; a condition is needed.", suggestion="Compare it with a value, as in x > 0."
        )
    return value


def unified(values: list[Value], what: str) -> list[Value]:
    """Branches of one expression in one type.

    Raises
    ------
    Refused
        If they have types that do not go together.
    """
    kinds = {value.kind for value in values if value.kind is not Kind.NULL}
    if kinds == {Kind.JSON}:
        kinds = {Kind.TEXT}
    if not kinds:
        raise Refused(f"{what} is always NULL")
    if kinds <= {Kind.INTEGER, Kind.REAL, Kind.JSON} and kinds & set(NUMERIC):
        if kinds == {Kind.INTEGER}:
            return [typed_null(Kind.INTEGER) if value.kind is Kind.NULL else value for value in values]
        return [guarded(as_real(value)) for value in values]
    if kinds <= {Kind.TEXT, Kind.JSON}:
        return [as_text(value) for value in values]
    if len(kinds) == 1:
        (kind,) = kinds
        return [typed_null(kind) if value.kind is Kind.NULL else value for value in values]
    listed = " and ".join(sorted(kind.value for kind in kinds))
    raise Refused(f"{what} is of one type; here are {listed}")
