"""Arithmetic, comparison and patterns of the language, for both engines."""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import replace

from broker_assets.filters import patterns
from broker_assets.filters.errors import Refused
from broker_assets.filters.schema import Kind
from broker_assets.filters.values import (
    LARGEST,
    NUMERIC,
    Value,
    as_condition,
    as_real,
    as_text,
    boolean,
    both,
    finite,
    guarded,
    integer,
    quoted,
    real,
    same,
    typed_null,
)

_DATE = re.compile(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ARITHMETIC = {"+": "filter_add", "-": "filter_subtract", "*": "filter_multiply", "/": "filter_divide"}


def arithmetic(sign: str, left: Value, right: Value) -> Value:
    """`+`, `-`, `*` and `/`; `/` gives a number with a fraction, NULL if the divisor is 0.

    Raises
    ------
    Refused
        If a part is not a number, or whole numbers could exceed 64 bits.
    """
    if Kind.INTERVAL in (left.kind, right.kind):
        return _moved(sign, left, right)
    for part in (left, right):
        if part.kind is Kind.TIME:
            raise Refused(
                "times cannot be used as numbers in a computation.", suggestion="mjd(t) is a time as a number of days."
            )
    if sign != "/" and left.kind is right.kind is Kind.INTEGER:
        return _whole(sign, left, right)
    first, second = as_real(left, "the left side"), as_real(right, "the right side")
    if sign == "/":
        second = finite(second)
    return both(
        Kind.REAL,
        f"({first.duckdb} {sign} {second.duckdb})",
        f"{_ARITHMETIC[sign]}({first.postgres}, {second.postgres})",
        first,
        second,
        unguarded=True,
    )


def _whole(sign: str, left: Value, right: Value) -> Value:
    if sign == "*":
        ends = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
    elif sign == "+":
        ends = [left.low + right.low, left.high + right.high]
    else:
        ends = [left.low - right.high, left.high - right.low]
    if min(ends) < -LARGEST or max(ends) > LARGEST:
        raise Refused(
            "this computation with whole numbers could exceed 64 bits.",
            suggestion="Make one of them a number: CAST(x AS DOUBLE).",
        )
    return same(Kind.INTEGER, f"({{0}} {sign} {{1}})", left, right, low=min(ends), high=max(ends))


def _moved(sign: str, left: Value, right: Value) -> Value:
    if left.kind is not Kind.TIME or right.kind is not Kind.INTERVAL or sign not in "+-":
        raise Refused("an INTERVAL is added to a time or subtracted from it.", example="now() - INTERVAL 3 DAY")
    return same(Kind.TIME, f"({{0}} {sign} {{1}})", left, right)


def negative(value: Value) -> Value:
    """The negative of a number."""
    if isinstance(value.constant, int) and value.kind is Kind.INTEGER:
        return integer(-value.constant)
    if isinstance(value.constant, float):
        return replace(real(-value.constant), exact=None if value.exact is None else -value.exact)
    if value.kind is Kind.INTEGER:
        return same(Kind.INTEGER, "(- {0})", value, low=-value.high, high=min(LARGEST, -value.low))
    number = as_real(value)
    return both(Kind.REAL, f"(- {number.duckdb})", f"filter_finite(- {number.postgres})", number, unguarded=True)


def remainder(left: Value, right: Value) -> Value:
    """`%`: the remainder with the sign of the dividend; NULL if the divisor is 0."""
    if left.kind is right.kind is Kind.INTEGER:
        bound = max(abs(right.low), abs(right.high))
        return same(
            Kind.INTEGER,
            "({0} % nullif({1}, 0))",
            left,
            right,
            low=max(-bound, min(left.low, 0)),
            high=min(bound, max(left.high, 0)),
        )
    first, second = finite(as_real(left, "the left side")), finite(as_real(right, "the right side"))
    return both(
        Kind.REAL,
        f"({first.duckdb} - {second.duckdb} * trunc({first.duckdb} / {second.duckdb}))",
        f"filter_remainder({first.postgres}, {second.postgres})",
        first,
        second,
        unguarded=True,
    )


def quotient(left: Value, right: Value) -> Value:
    """`DIV`: the integer part of a quotient of integers; NULL if the divisor is 0."""
    if not left.kind is right.kind is Kind.INTEGER:
        raise Refused("DIV is for whole numbers.", suggestion="floor(a / b) is for others.")
    bound = max(abs(left.low), abs(left.high))
    if bound > LARGEST and right.low <= -1 <= right.high:
        raise Refused("DIV of this could exceed 64 bits.", suggestion="floor(a / b) gives a number.")
    return both(
        Kind.INTEGER,
        f"({left.duckdb} // nullif({right.duckdb}, 0))",
        f"({left.postgres} / nullif({right.postgres}, 0))",
        left,
        right,
        low=max(-bound, -LARGEST - 1),
        high=min(bound, LARGEST),
    )


def comparable(left: Value, right: Value) -> tuple[Value, Value]:
    """Two values converted to a type in which they can be compared.

    Raises
    ------
    Refused
        If they cannot be compared.
    """
    for one, other in ((left, right), (right, left)):
        if one.kind is Kind.NULL:
            raise Refused("a comparison with NULL is never true.", suggestion="Write IS NULL or IS NOT NULL.")
        if one.kind is Kind.INTERVAL or one.kind is Kind.DOCUMENT:
            raise Refused(f"{_a(one)} cannot be compared", example='JSON_VALUE(fink.classdict, "$.score") > 0.5')
        if one.kind is Kind.TIME and other.kind is Kind.TEXT:
            fixed = as_time(other)
            return (one, fixed) if one is left else (fixed, one)
        if one.kind is Kind.BOOLEAN and other.kind is Kind.INTEGER and other.constant in (0, 1):
            fixed = boolean(bool(other.constant))
            return (one, fixed) if one is left else (fixed, one)
    if left.kind is right.kind is Kind.INTEGER:
        return left, right
    if left.kind is right.kind and left.kind in (Kind.BOOLEAN, Kind.TIME):
        return left, right
    kinds = {left.kind, right.kind}
    if kinds <= {Kind.TEXT, Kind.JSON}:
        return as_text(left), as_text(right)
    if kinds & set(NUMERIC) and Kind.TIME not in kinds and Kind.BOOLEAN not in kinds:
        try:
            first, second = as_real(left), as_real(right)
        except Refused:
            raise _unlike(left, right) from None
        first = left if left.kind is Kind.INTEGER else first
        second = right if right.kind is Kind.INTEGER else second
        first, second = _with_whole(first, second), _with_whole(second, first)
        if first.kind is second.kind is Kind.INTEGER:
            return first, second
        return guarded(as_real(first)), guarded(as_real(second))
    raise _unlike(left, right)


def _with_whole(literal: Value, other: Value) -> Value:
    """A literal in the type in which it is compared with a whole number, which a float64 may not hold.

    Numbers below 2⁵³ with a fraction stay: compared as float64 with whole numbers they give what is right, since
    rounding keeps the order.
    """
    if other.kind is not Kind.INTEGER or literal.kind is not Kind.REAL or not isinstance(literal.constant, float):
        return literal
    if literal.exact is not None:
        # Beyond all whole numbers any other value beyond them does; 2**63 is what the largest of them is rounded to.
        beyond = real(math.copysign(2.0**64, literal.exact))
        return integer(literal.exact) if abs(literal.exact) <= LARGEST else beyond
    if abs(literal.constant) >= 2.0**53:
        raise Refused(
            "a number with a fraction and more than 15 digits before the point cannot be compared with a whole number.",
            suggestion="Write a whole number.",
        )
    return literal


def _a(value: Value) -> str:
    return f"a {value.kind.value}" if value.kind is not Kind.TEXT else "text"


def _unlike(left: Value, right: Value) -> Refused:
    kinds = (left.kind, right.kind)
    hint = "CAST(x AS DOUBLE) makes a number."
    if Kind.TIME in kinds:
        hint = "mjd(t) is a time as a number."
    elif Kind.BOOLEAN in kinds:
        hint = "Write one comparison on each side of AND, as in ra > 3 AND ra < 5, or ra BETWEEN 3 AND 5."
    elif any(isinstance(side.constant, str) and _DATE.match(side.constant) for side in (left, right)):
        hint = "Times of objects are MJD; write mjd('2026-01-31') for a date."
    return Refused(f"{left.kind.value} is compared with {right.kind.value}.", suggestion=hint)


def compare(sign: str, left: Value, right: Value) -> Value:
    """`=`, `<>`, `<`, `<=`, `>`, `>=`; texts are compared by their bytes."""
    first, second = comparable(left, right)
    collate = ' COLLATE "C"' if first.kind is Kind.TEXT and sign not in ("=", "<>") else ""
    return both(
        Kind.BOOLEAN,
        f"({first.duckdb} {sign} {second.duckdb})",
        f"({first.postgres}{collate} {sign} {second.postgres}{collate})",
        first,
        second,
    )


def among(value: Value, choices: list[Value]) -> Value:
    """`IN`: one of several values."""
    if not choices:
        raise Refused("IN needs at least one value", example="classification IN ('SN', 'NT')")
    pairs = [comparable(value, choice) for choice in choices]
    kinds = list(dict.fromkeys(one.kind for one, _ in pairs))
    if len(kinds) > 1:  # whole numbers compare as such, whatever the others are
        parts = [
            [choice for choice, pair in zip(choices, pairs, strict=True) if pair[0].kind is kind] for kind in kinds
        ]
        return joined("OR", [among(value, part) for part in parts])
    subject, listed = pairs[0][0], [other for _, other in pairs]
    return both(
        Kind.BOOLEAN,
        f"({subject.duckdb} IN ({', '.join(item.duckdb for item in listed)}))",
        f"({subject.postgres} IN ({', '.join(item.postgres for item in listed)}))",
        subject,
        *listed,
    )


def like(value: Value, pattern: Value, *, any_case: bool = False) -> Value:
    """`LIKE`, and `ILIKE`, for which the letters A to Z equal a to z."""
    subject = as_text(value, "the value before LIKE")
    if not isinstance(pattern.constant, str):
        raise Refused("the pattern of LIKE is a text in quotes", example="name LIKE 'ZTF%'")
    form = patterns.like(pattern.constant)
    if any_case:
        subject, form = lowered(subject), form.translate(_LOWER)
    return same(Kind.BOOLEAN, "({0} LIKE " + _braced(quoted(form)) + " ESCAPE '\\')", subject)


def matches(value: Value, pattern: Value) -> Value:
    """`REGEXP`: whether a regular expression is found in a text."""
    subject = as_text(value, "the value before REGEXP")
    if not isinstance(pattern.constant, str):
        raise Refused("a regular expression is a text in quotes", example="name REGEXP '^ZTF[0-9]{2}'")
    form = quoted(patterns.regular(pattern.constant))
    return both(Kind.BOOLEAN, f"regexp_matches({subject.duckdb}, {form})", f"({subject.postgres} ~ {form})", subject)


_UPPER_LETTERS, _LOWER_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_LOWER = str.maketrans(_UPPER_LETTERS, _LOWER_LETTERS)


def lowered(value: Value) -> Value:
    """A text with A to Z in lower case; other letters are unchanged, since engines and locales differ in them."""
    return same(Kind.TEXT, f"translate({{0}}, '{_UPPER_LETTERS}', '{_LOWER_LETTERS}')", as_text(value))


def raised(value: Value) -> Value:
    """A text with a to z in upper case."""
    return same(Kind.TEXT, f"translate({{0}}, '{_LOWER_LETTERS}', '{_UPPER_LETTERS}')", as_text(value))


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def as_time(value: Value) -> Value:
    """A time, or a quoted text with a time, UTC.

    Raises
    ------
    Refused
        If it is neither.
    """
    if value.kind is Kind.TIME:
        return value
    if value.kind is Kind.NULL:
        return typed_null(Kind.TIME)
    if value.kind is Kind.TEXT and isinstance(value.constant, str):
        try:
            moment = datetime.datetime.fromisoformat(value.constant.strip())
        except ValueError:
            moment = None
        if moment is not None and 1800 <= moment.year < 2200:
            if moment.tzinfo is not None:
                moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
            literal = quoted(moment.isoformat(sep=" ", timespec="microseconds"))
            return Value(Kind.TIME, f"CAST({literal} AS TIMESTAMP)", f"{literal}::timestamp", constant=value.constant)
        raise Refused(f"{value.constant[:40]!r} is not a time", example="disc_date > '2026-01-31 12:00:00'")
    raise Refused(f"this is {value.kind.value}; a time is needed", example="disc_date > '2026-01-31'")


def is_null(value: Value) -> Value:
    """`IS NULL`."""
    if value.kind in NUMERIC:
        value = guarded(value)
    return same(Kind.BOOLEAN, "({0} IS NULL)", value)


def is_truth(value: Value, wanted: bool) -> Value:
    """`IS TRUE` and `IS FALSE`."""
    return same(Kind.BOOLEAN, f"({{0}} IS {str(wanted).upper()})", as_condition(value))


def opposite(value: Value) -> Value:
    """`NOT`."""
    return same(Kind.BOOLEAN, "(NOT {0})", as_condition(value, "what follows NOT"))


def joined(word: str, terms: list[Value]) -> Value:
    """Conditions joined by AND or OR."""
    conditions = [as_condition(term, f"a side of {word}") for term in terms]
    template = "(" + f" {word} ".join(f"{{{number}}}" for number in range(len(conditions))) + ")"
    return same(Kind.BOOLEAN, template, *conditions)


def plain(value: Value) -> Value:
    """A value for selection or sorting: finite, and with JSON values as text."""
    if value.kind is Kind.REAL:
        return guarded(value)
    if value.kind is Kind.JSON:
        return as_text(value)
    if value.kind is Kind.DOCUMENT:
        return both(Kind.TEXT, f"CAST({value.duckdb} AS VARCHAR)", f"({value.postgres})::text", value)
    if value.kind is Kind.INTERVAL:
        raise Refused("an INTERVAL is not a value of its own", example="now() - INTERVAL 3 DAY")
    if value.kind is Kind.NULL:
        return typed_null(Kind.TEXT)
    return replace(value, constant=None, exact=None)
