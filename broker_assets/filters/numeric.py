"""Functions of numbers and positions, and choices between values, for both engines."""

from __future__ import annotations

import math
from collections.abc import Callable

from broker_assets.filters import operators
from broker_assets.filters.errors import Refused
from broker_assets.filters.schema import Kind
from broker_assets.filters.values import (
    NUMERIC,
    Value,
    as_condition,
    as_real,
    both,
    finite,
    real,
    same,
    unified,
)

_HALF_DEGREE = "CAST('0.008726646259971648' AS DOUBLE)"
_DEGREE = "CAST('0.017453292519943295' AS DOUBLE)"
_ARCSEC = "CAST('412529.6124941927' AS DOUBLE)"
"""π/360, π/180 and 7200·180/π."""


def radians(arguments: list[Value]) -> Value:
    """Degrees as radians."""
    return operators.arithmetic("*", as_real(arguments[0], "the argument of radians"), real(math.pi / 180))


def degrees(arguments: list[Value]) -> Value:
    """Radians as degrees."""
    return operators.arithmetic("*", as_real(arguments[0], "the argument of degrees"), real(180 / math.pi))


def of_one(name: str) -> Callable[[list[Value]], Value]:
    """A function of one number: in DuckDB under its name, in PostgreSQL as `filter_name`; NULL outside its domain."""

    def build(arguments: list[Value]) -> Value:
        number = finite(as_real(arguments[0], f"the argument of {name}"))
        return both(Kind.REAL, f"{name}({number.duckdb})", f"filter_{name}({number.postgres})", number, unguarded=True)

    return build


def of_two(name: str) -> Callable[[list[Value]], Value]:
    def build(arguments: list[Value]) -> Value:
        first, second = (finite(as_real(item, f"an argument of {name}")) for item in arguments)
        return both(
            Kind.REAL,
            f"{name}({first.duckdb}, {second.duckdb})",
            f"filter_{name}({first.postgres}, {second.postgres})",
            first,
            second,
            unguarded=True,
        )

    return build


def log(arguments: list[Value]) -> Value:
    if len(arguments) == 1:
        return of_one("ln")(arguments)
    return operators.arithmetic("/", of_one("ln")(arguments[1:]), of_one("ln")(arguments[:1]))


def log2(arguments: list[Value]) -> Value:
    """Binary logarithm, from natural ones: PostgreSQL has none."""
    return log([real(2.0), arguments[0]])


def absolute(arguments: list[Value]) -> Value:
    value = arguments[0]
    if value.kind is Kind.INTEGER:
        ends = (abs(value.low), abs(value.high))
        low = 0 if value.low <= 0 <= value.high else min(ends)
        if max(ends) > 2**63 - 1:
            value = as_real(value)
        else:
            return same(Kind.INTEGER, "abs({0})", value, low=low, high=max(ends))
    number = as_real(value, "the argument of abs")
    return both(Kind.REAL, f"abs({number.duckdb})", f"filter_finite(abs({number.postgres}))", number, unguarded=True)


def whole_part(name: str) -> Callable[[list[Value]], Value]:
    def build(arguments: list[Value]) -> Value:
        if arguments[0].kind is Kind.INTEGER:
            return arguments[0]
        return same(Kind.REAL, f"{name}({{0}})", finite(as_real(arguments[0], f"the argument of {name}")))

    return build


def sign(arguments: list[Value]) -> Value:
    number = finite(as_real(arguments[0], "the argument of sign"))
    return both(
        Kind.INTEGER,
        f"CAST(sign({number.duckdb}) AS BIGINT)",
        f"sign({number.postgres})::bigint",
        number,
        low=-1,
        high=1,
    )


def constant(value: Value, what: str, low: int, high: int) -> int:
    if not isinstance(value.constant, int) or isinstance(value.constant, bool) or not low <= value.constant <= high:
        raise Refused(f"{what} is a whole number from {low} to {high}")
    return value.constant


def rounded(arguments: list[Value]) -> Value:
    if arguments[0].kind is Kind.INTEGER:
        return arguments[0]
    digits = constant(arguments[1], "the number of digits of round", 0, 12) if len(arguments) > 1 else 0
    number = finite(as_real(arguments[0], "the argument of round"))
    scale = f"1e{digits}"
    return both(
        Kind.REAL,
        f"(sign({number.duckdb}) * floor(abs({number.duckdb}) * CAST('{scale}' AS DOUBLE) + 0.5::DOUBLE)"
        f" / CAST('{scale}' AS DOUBLE))",
        f"filter_round({number.postgres}, '{scale}'::float8)",
        number,
        unguarded=True,
    )


def extreme(name: str) -> Callable[[list[Value]], Value]:
    def build(arguments: list[Value]) -> Value:
        values = unified(arguments, name)
        if values[0].kind not in (*NUMERIC, Kind.TIME):
            raise Refused(f"{name} is for numbers and times")
        if values[0].kind is Kind.REAL:
            values = [finite(value) for value in values]
        places = ", ".join(f"{{{number}}}" for number in range(len(values)))
        options = {}
        if values[0].kind is Kind.INTEGER:
            options = {"low": min(value.low for value in values), "high": max(value.high for value in values)}
        return same(values[0].kind, f"{name}({places})", *values, **options)

    return build


def coalesce(arguments: list[Value]) -> Value:
    values = unified(arguments, "COALESCE")
    places = ", ".join(f"{{{number}}}" for number in range(len(values)))
    return same(values[0].kind, f"coalesce({places})", *values, **range_of(values))


def nullif(arguments: list[Value]) -> Value:
    first, second = operators.comparable(*arguments)
    return same(first.kind, "nullif({0}, {1})", first, second, **range_of([first]))


def range_of(values: list[Value]) -> dict[str, object]:
    if values[0].kind is not Kind.INTEGER:
        return {}
    return {"low": min(value.low for value in values), "high": max(value.high for value in values)}


def choice(condition: Value, yes: Value, no: Value) -> Value:
    """`IF(condition, yes, no)`."""
    first, second = unified([yes, no], "the result of IF")
    template = "(CASE WHEN {0} THEN {1} ELSE {2} END)"
    return same(
        first.kind,
        template,
        as_condition(condition, "the first argument of IF"),
        first,
        second,
        **range_of([first, second]),
    )


def flux2mag(arguments: list[Value]) -> Value:
    flux = finite(as_real(arguments[0], "the flux"))
    return both(
        Kind.REAL,
        f"(31.4::DOUBLE - 2.5::DOUBLE * log10({flux.duckdb}))",
        f"filter_flux2mag({flux.postgres})",
        flux,
        unguarded=True,
    )


def separation(arguments: list[Value]) -> Value:
    ra, decl, ra0, decl0 = (finite(as_real(item, "an argument of separation")) for item in arguments)
    # Haversine formula: exact to rounding at small and large angles, except near antipodes.
    height = f"sin(({decl0.duckdb} - {decl.duckdb}) * {_HALF_DEGREE})"
    width = f"sin(({ra0.duckdb} - {ra.duckdb}) * {_HALF_DEGREE})"
    inside = (
        f"{height} * {height} + cos({decl.duckdb} * {_DEGREE}) * cos({decl0.duckdb} * {_DEGREE}) * ({width} * {width})"
    )
    return both(
        Kind.REAL,
        f"(CASE WHEN abs({ra.duckdb}) < 1e6 AND abs({ra0.duckdb}) < 1e6 AND abs({decl.duckdb}) <= 90"
        f" AND abs({decl0.duckdb}) <= 90 THEN {_ARCSEC} * asin(sqrt(least({inside}, 1::DOUBLE))) END)",
        f"filter_separation({ra.postgres}, {decl.postgres}, {ra0.postgres}, {decl0.postgres})",
        ra,
        decl,
        ra0,
        decl0,
        unguarded=True,
    )


def in_cone(arguments: list[Value]) -> Value:
    for number, what in ((2, "ra0"), (3, "decl0"), (4, "radius")):
        if arguments[number].kind not in NUMERIC and arguments[number].constant is None:
            raise Refused(f"{what} of in_cone is a number")
    inside = operators.compare("<=", separation(arguments[:4]), as_real(arguments[4], "the radius"))
    decl0, radius = arguments[3].constant, arguments[4].constant
    if not isinstance(decl0, int | float) or not isinstance(radius, int | float):
        return inside
    # Most positions are excluded by declination alone; the margin is far above rounding errors.
    margin = abs(radius) / 3600 * (1 + 1e-9) + 1e-9
    decl = as_real(arguments[1], "decl")
    above = operators.compare(">=", decl, real(decl0 - margin))
    below = operators.compare("<=", decl, real(decl0 + margin))
    return operators.joined("AND", [above, below, inside])
