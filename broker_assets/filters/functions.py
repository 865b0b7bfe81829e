"""The functions of the language: an allow-list, with the translation of each for both engines.

A name that is not here does not exist for filters. `FUNCTIONS` is also what the documentation lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from broker_assets.filters import numeric, operators, textual
from broker_assets.filters.errors import Refused
from broker_assets.filters.schema import Kind
from broker_assets.filters.values import (
    Value,
    as_real,
    finite,
    guarded,
    real,
)

TAI_MINUS_UTC = 37.0
"""Seconds by which TAI is ahead of UTC, since 2017-01-01 (IERS Bulletin C)."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that filters may call."""

    name: str
    """As documented."""
    arguments: str
    """Its arguments, for the documentation: `ra, decl, ra0, decl0`."""
    meaning: str
    least: int
    most: int
    build: Callable[[list[Value]], Value]
    example: str = ""


def _first(arguments: list[Value]) -> Value:
    return arguments[0]


def _listed() -> list[Function]:
    one = [
        ("sqrt", "square root"),
        ("exp", "e to the power x"),
        ("ln", "natural logarithm"),
        ("log10", "decimal logarithm"),
        ("sin", "sine of radians"),
        ("cos", "cosine of radians"),
        ("tan", "tangent of radians"),
        ("asin", "arc sine, radians"),
        ("acos", "arc cosine, radians"),
        ("atan", "arc tangent, radians"),
    ]
    return [
        Function(
            "flux2mag",
            "flux",
            "AB magnitude of a flux in nJy: 31.4 − 2.5 log10(flux); NULL if not positive",
            1,
            1,
            numeric.flux2mag,
            "flux2mag(g_psfFlux) < 20",
        ),
        Function(
            "separation",
            "ra, decl, ra0, decl0",
            "angle between two positions in degrees, on the sphere, in arcsec",
            4,
            4,
            numeric.separation,
            "separation(ra, decl, 150.1, 2.2) < 60",
        ),
        Function(
            "in_cone",
            "ra, decl, ra0, decl0, radius",
            "whether a position is within radius (arcsec) of another, in degrees",
            5,
            5,
            numeric.in_cone,
            "in_cone(ra, decl, 150.1, 2.2, 60)",
        ),
        Function(
            "json_value",
            "document, path",
            "value of a JSON document, as text or number as needed",
            2,
            2,
            textual.json_value,
            textual.PATH,
        ),
        Function("json_extract", "document, path", "the same as json_value", 2, 2, textual.json_value, textual.PATH),
        Function("json_unquote", "value", "its argument; for queries that were written for MySQL", 1, 1, _first),
        Function(
            "json_number",
            "document, path",
            "number of a JSON document; NULL if it is something else",
            2,
            2,
            textual.json_number,
            'JSON_NUMBER(fink.classdict, "$.score")',
        ),
        Function("abs", "x", "absolute value", 1, 1, numeric.absolute),
        *(Function(name, "x", meaning, 1, 1, numeric.of_one(name)) for name, meaning in one),
        Function("radians", "x", "degrees as radians", 1, 1, numeric.radians),
        Function("degrees", "x", "radians as degrees", 1, 1, numeric.degrees),
        Function("log2", "x", "binary logarithm", 1, 1, numeric.log2),
        Function("log", "x | base, x", "natural logarithm, or to a base", 1, 2, numeric.log),
        Function("power", "x, y", "x to the power y", 2, 2, numeric.of_two("power")),
        Function("pow", "x, y", "x to the power y", 2, 2, numeric.of_two("power")),
        Function("atan2", "y, x", "angle of the point (x, y), radians", 2, 2, numeric.of_two("atan2")),
        Function("mod", "x, y", "remainder, as x % y", 2, 2, lambda items: operators.remainder(*items)),
        Function("floor", "x", "largest whole number that is not larger", 1, 1, numeric.whole_part("floor")),
        Function("ceil", "x", "smallest whole number that is not smaller", 1, 1, numeric.whole_part("ceil")),
        Function("ceiling", "x", "the same as ceil", 1, 1, numeric.whole_part("ceil")),
        Function("trunc", "x", "number without its fraction", 1, 1, numeric.whole_part("trunc")),
        Function("round", "x | x, digits", "rounded, halves away from zero; digits 0 to 12", 1, 2, numeric.rounded),
        Function("sign", "x", "−1, 0 or 1", 1, 1, numeric.sign),
        Function("pi", "", "π", 0, 0, lambda _: real(3.141592653589793)),
        Function("greatest", "x, …", "largest of the values that are not NULL", 2, 20, numeric.extreme("greatest")),
        Function("least", "x, …", "smallest of the values that are not NULL", 2, 20, numeric.extreme("least")),
        Function("coalesce", "x, …", "first value that is not NULL", 1, 20, numeric.coalesce),
        Function("ifnull", "x, y", "x, or y if x is NULL", 2, 2, numeric.coalesce),
        Function("isnull", "x", "the same as x IS NULL", 1, 1, lambda items: operators.is_null(items[0])),
        Function("nullif", "x, y", "NULL if x = y, else x", 2, 2, numeric.nullif),
        Function(
            "if", "condition, x, y", "x if the condition is true, else y", 3, 3, lambda items: numeric.choice(*items)
        ),
        Function("lower", "text", "A to Z as a to z", 1, 1, lambda items: operators.lowered(items[0])),
        Function("lcase", "text", "the same as lower", 1, 1, lambda items: operators.lowered(items[0])),
        Function("upper", "text", "a to z as A to Z", 1, 1, lambda items: operators.raised(items[0])),
        Function("ucase", "text", "the same as upper", 1, 1, lambda items: operators.raised(items[0])),
        Function("length", "text", "number of characters", 1, 1, textual.length),
        Function("char_length", "text", "number of characters", 1, 1, textual.length),
        Function(
            "substring",
            "text, start | text, start, length",
            "part of a text, from character start (1 is the first)",
            2,
            3,
            textual.substring,
        ),
        Function("substr", "text, start | text, start, length", "the same as substring", 2, 3, textual.substring),
        Function("left", "text, length", "first characters of a text", 2, 2, textual.left),
        Function("concat", "text, …", "texts after one another; NULL if one is NULL", 1, 20, textual.concat),
        Function("trim", "text", "text without spaces at its ends", 1, 1, textual.trimmed("trim")),
        Function("ltrim", "text", "text without spaces at its start", 1, 1, textual.trimmed("ltrim")),
        Function("rtrim", "text", "text without spaces at its end", 1, 1, textual.trimmed("rtrim")),
        Function("starts_with", "text, start", "whether a text begins with another", 2, 2, textual.starts),
        Function(
            "instr", "text, part", "place of a part in a text, from 1; 0 if it is not in it", 2, 2, textual.place_of
        ),
        Function(
            "locate", "part, text", "the same, with the part first", 2, 2, lambda items: textual.place_of(items[::-1])
        ),
        Function(
            "regexp_like",
            "text, expression",
            "the same as text REGEXP expression",
            2,
            2,
            lambda items: operators.matches(*items),
        ),
        Function("mjd", "time", "a time in UTC as MJD, in UTC", 1, 1, textual.mjd, "mjd(disc_date) > 61000"),
        Function(
            "date_sub",
            "time, INTERVAL n unit",
            "a time before another",
            2,
            2,
            textual.moved("-"),
            "date_sub(now(), INTERVAL 3 DAY)",
        ),
        Function("date_add", "time, INTERVAL n unit", "a time after another", 2, 2, textual.moved("+")),
    ]


FUNCTIONS: Mapping[str, Function] = MappingProxyType({function.name: function for function in _listed()})
"""Functions by name, lower case; `mjdnow()`, `now()` and the aggregates are in `TIMES` and `AGGREGATES`."""

TIMES: Mapping[str, str] = MappingProxyType(
    {
        "mjdnow": "MJD TAI of now: for a live filter the time of the alert's own source, else that of the clock",
        "now": "the same as a time in UTC",
        "utc_timestamp": "the same as now()",
        "current_timestamp": "the same as now()",
    }
)
"""Functions that return the time; they need the table of the alert."""

AGGREGATES: Mapping[str, str] = MappingProxyType(
    {
        "count": "number of rows, of values that are not NULL, or of different values (COUNT(DISTINCT x))",
        "min": "smallest value",
        "max": "largest value",
        "sum": "sum, a number",
        "avg": "mean, a number",
    }
)
"""Functions of the rows of a group."""


def aggregate(name: str, argument: Value | None, *, distinct: bool) -> Value:
    """An aggregate of a group; `argument` is None for `COUNT(*)`.

    Raises
    ------
    Refused
        If the aggregate does not accept the argument.
    """
    if argument is None:
        if name != "count":
            raise Refused(f"{name}(*) does not exist; {name} needs a value")
        return Value(Kind.INTEGER, "count(*)", "count(*)", low=0, high=2**40, aggregate=True)
    if argument.aggregate:
        raise Refused(f"{name} within another aggregate")
    word = "DISTINCT " if distinct else ""
    value = operators.plain(argument)
    if name == "count":
        return Value(
            Kind.INTEGER,
            f"count({word}{value.duckdb})",
            f"count({word}{value.postgres})",
            low=0,
            high=2**40,
            aggregate=True,
        )
    if name in ("sum", "avg"):
        number = finite(as_real(argument, f"the argument of {name}"))
        return Value(
            Kind.REAL,
            f"CAST({name}({word}{number.duckdb}) AS DOUBLE)",
            f"filter_finite({name}({word}{number.postgres})::float8)",
            unguarded=True,
            aggregate=True,
        )
    if value.kind is Kind.BOOLEAN:
        raise Refused(f"{name} is not for conditions.", suggestion="Use sum(x) > 0, or count(*).")
    collate = ' COLLATE "C"' if value.kind is Kind.TEXT else ""
    if value.kind is Kind.REAL:
        value = finite(value)
    return Value(
        value.kind,
        f"{name}({guarded(value).duckdb})",
        f"{name}({value.postgres}{collate})",
        low=value.low,
        high=value.high,
        aggregate=True,
    )
