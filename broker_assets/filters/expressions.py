"""Translates the tree of an expression into a value for both engines: every node of the language, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sqlglot import exp

from broker_assets.filters import functions, numeric, operators, values
from broker_assets.filters.errors import Refused, nearest
from broker_assets.filters.grammar import position
from broker_assets.filters.mistakes import former
from broker_assets.filters.schema import NOW, Kind
from broker_assets.filters.scope import Queries, Scope
from broker_assets.filters.values import Value, same

_UNITS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}
_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}


def flattened(node: exp.Expression, kind: type[exp.Expression]) -> Iterator[exp.Expression]:
    """Terms of a chain of ANDs or ORs, in the order of the text, including those in parentheses."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        inner = item
        while isinstance(inner, exp.Paren):
            inner = inner.this
        if isinstance(inner, kind):
            waiting += [inner.expression, inner.this]
        else:
            yield item


def translate(node: exp.Expression, scope: Scope) -> Value:
    """Translate an expression.

    Raises
    ------
    Refused
        For anything that is not in the language, with its position.
    """
    try:
        build = _NODES.get(type(node))
        if build is None:
            raise Refused(f"{_called(node)} is not part of the language.", suggestion=_instead(node))
        _only(node)
        value = build(node, scope)
        return operators.opposite(value) if node.args.get("negate") else value
    except Refused as problem:
        if problem.at is None:
            problem.at = position(node)
        raise


_CALLED = {
    exp.Any: "ANY",
    exp.All: "ALL",
    exp.Window: "OVER",
    exp.Star: "*",
    exp.Dot: "a name of three parts",
    exp.Tuple: "a list in parentheses",
}


def _called(node: exp.Expression) -> str:
    return _CALLED.get(type(node), type(node).__name__.upper())


def _instead(node: exp.Expression) -> str:
    return "IN, EXISTS and max(…) in a query say the same." if isinstance(node, exp.Any | exp.All) else ""


def _queries(scope: Scope) -> Queries:
    if scope.queries is None:
        raise Refused(
            "a query within a query is not accepted here: it is used in WHERE, and in a SELECT without groups.",
            suggestion="Join the table: LEFT JOIN t ON …, and t.column IS NULL for what is not in it.",
        )
    return scope.queries


_ACCEPTED: dict[type[exp.Expression], frozenset[str]] = {
    exp.Column: frozenset({"this", "table", "db", "catalog"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Anonymous: frozenset({"this", "expressions"}),
    exp.Interval: frozenset({"this", "unit"}),
    exp.Literal: frozenset({"this", "is_string"}),
}


_NEGATED = (exp.Like, exp.ILike, exp.RegexpLike, exp.In, exp.Between)
"""Operators that can contain NOT: NOT LIKE, NOT IN."""


def _only(node: exp.Expression) -> None:
    """Refuse parts of a node that are not in the language."""
    accepted = _ACCEPTED.get(type(node), frozenset({"this", "expression"}))
    for key, value in node.args.items():
        if key == "negate" and type(node) in _NEGATED:
            continue
        if value and key not in accepted and not (type(node) is exp.Div and key in ("typed", "safe")):
            raise Refused(f"{key.upper()} is not accepted here")


def _literal(node: exp.Expression, _: Scope) -> Value:
    if node.args["is_string"]:
        return values.text(node.this)
    return values.integer(int(node.this)) if node.this.isdigit() else values.number(node.this)


def _case(node: exp.Expression, scope: Scope) -> Value:
    subject = translate(node.this, scope) if node.this is not None else None
    conditions, results = [], []
    for branch in node.args["ifs"]:
        test = translate(branch.this, scope)
        condition = operators.compare("=", subject, test) if subject is not None else values.as_condition(test)
        conditions.append(condition)
        results.append(translate(branch.args["true"], scope))
    default = node.args.get("default")
    unified = values.unified(
        [*results, translate(default, scope) if default is not None else Value(Kind.NULL, "NULL", "NULL")],
        "the result of CASE",
    )
    text = "(CASE"
    parts: list[Value] = []
    for condition, result in zip(conditions, unified[:-1], strict=True):
        text += f" WHEN {{{len(parts)}}} THEN {{{len(parts) + 1}}}"
        parts += [condition, result]
    text += f" ELSE {{{len(parts)}}} END)"
    parts.append(unified[-1])
    return same(unified[0].kind, text, *parts, **numeric.range_of(unified))


def _cast(node: exp.Expression, scope: Scope) -> Value:
    value, wanted = translate(node.this, scope), node.args["to"]
    if type(wanted) is not exp.DataType or wanted.args.get("expressions") or wanted.args.get("nested"):
        raise Refused("this type is not accepted in CAST", example="CAST(x AS DOUBLE)")
    kinds = exp.DataType.Type
    target = wanted.this
    if target in (kinds.DOUBLE, kinds.FLOAT, kinds.DECIMAL):
        if value.kind in (Kind.TEXT, Kind.JSON) and value.constant is None:
            return values.text_as_real(values.as_text(value))
        return values.as_real(values.as_real(value, "the argument of CAST"))
    signed = target is kinds.USERDEFINED and str(wanted.args.get("kind")).upper() == "SIGNED"
    if signed or target in (kinds.BIGINT, kinds.INT):
        return _as_whole(value)
    if target in (kinds.TEXT, kinds.VARCHAR, kinds.CHAR):
        return values.as_text(value, "the argument of CAST")
    if target in (kinds.DATETIME, kinds.TIMESTAMP):
        return operators.as_time(value)
    raise Refused(
        f"CAST to {wanted.sql()} is not accepted; DOUBLE, BIGINT, CHAR and DATETIME are", example="CAST(x AS DOUBLE)"
    )


def _as_whole(value: Value) -> Value:
    if value.kind is Kind.INTEGER:
        return value
    if value.kind in (Kind.TEXT, Kind.JSON):
        return values.text_as_integer(values.as_text(value))
    if value.kind is Kind.BOOLEAN:
        return values.both(
            Kind.INTEGER, f"CAST({value.duckdb} AS BIGINT)", f"({value.postgres})::int::bigint", value, low=0, high=1
        )
    number = values.finite(values.as_real(value, "the argument of CAST"))
    test = "CASE WHEN abs({0}) < 9e15 THEN "
    return values.both(
        Kind.INTEGER,
        f"({test.format(number.duckdb)}CAST(trunc({number.duckdb}) AS BIGINT) END)",
        f"({test.format(number.postgres)}trunc({number.postgres})::bigint END)",
        number,
        low=-(10**16),
        high=10**16,
    )


def _interval(node: exp.Expression, _: Scope) -> Value:
    amount, unit = node.this, node.args.get("unit")
    name = unit.name.upper().removesuffix("S") if unit is not None else ""
    if not isinstance(amount, exp.Literal) or not amount.this.isdigit() or name not in _UNITS:
        raise Refused(
            "an INTERVAL is a whole number of seconds, minutes, hours, days or weeks", example="INTERVAL 3 DAY"
        )
    seconds = int(amount.this) * _UNITS[name]
    if seconds > 400 * 365 * 86400:
        raise Refused("an INTERVAL is at most 400 years")
    return Value(Kind.INTERVAL, f"INTERVAL '{seconds} seconds'", f"INTERVAL '{seconds} seconds'")


def _call(node: exp.Expression, scope: Scope) -> Value:
    name, arguments = str(node.this).lower(), node.expressions
    if name in functions.AGGREGATES:
        return _aggregate(name, arguments, scope)
    if name in functions.TIMES:
        if arguments:
            raise Refused(f"{name} has no arguments", example=f"{name}()")
        return _time(name, scope)
    function = functions.FUNCTIONS.get(name)
    if function is None:
        known = [*functions.FUNCTIONS, *functions.TIMES, *functions.AGGREGATES]
        raise Refused(
            f"there is no function {node.this}.",
            suggestion=former(name) or nearest(name, known) or "docs/filters.md lists the functions.",
        )
    if not function.least <= len(arguments) <= function.most:
        raise Refused(
            f"{function.name} has {_arguments(function)}; here are {len(arguments)}",
            example=function.example or f"{function.name}({function.arguments.split(' | ')[0]})",
        )
    try:
        return function.build([translate(argument, scope) for argument in arguments])
    except Refused as problem:
        problem.example = problem.example or function.example
        raise


def _arguments(function: functions.Function) -> str:
    if function.least == function.most:
        return f"{function.least} argument" + ("s" if function.least != 1 else "")
    return f"{function.least} to {function.most} arguments"


def _time(name: str, scope: Scope) -> Value:
    place = next((level for level in scope.levels() if level.based), None)
    if place is None:
        raise Refused(f"{name}() is used where objects is read", example="SELECT diaObjectId FROM objects WHERE …")
    column = f"{values.name(place.base)}.{values.name(NOW)}"
    place.used.add((place.base, NOW))
    # The text for PostgreSQL has a mark instead of the clock, since the query may be run as of another time.
    if name == "mjdnow":
        return Value(Kind.REAL, column, CLOCK, frozenset({(place.base, NOW)}))
    seconds = f"(({column} - 40587) * 86400 - {functions.TAI_MINUS_UTC!r}::DOUBLE)"
    clock = f"(({CLOCK} - 40587) * 86400 - '{functions.TAI_MINUS_UTC!r}'::float8)"
    return Value(
        Kind.TIME,
        f"make_timestamp(CAST(round({seconds} * 1000) AS BIGINT) * 1000)",
        f"(timestamp '1970-01-01' + round({clock} * 1000) * interval '1 millisecond')",
        frozenset({(place.base, NOW)}),
    )


CLOCK = "\0now\0"
"""Mark of the clock in texts for PostgreSQL; no text of a filter may contain it."""


def _aggregate(name: str, arguments: list[exp.Expression], scope: Scope) -> Value:
    if not scope.aggregates:
        raise Refused(
            f"{name} needs GROUP BY, and is used in SELECT, HAVING and ORDER BY only.",
            example="SELECT objects.diaObjectId, count(*) AS n FROM … GROUP BY objects.diaObjectId HAVING n > 1",
        )
    distinct = False
    if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
        _only_keys(arguments[0], {"expressions"})
        arguments, distinct = arguments[0].expressions, True
    if len(arguments) != 1:
        raise Refused(f"{name} has one argument", example=f"{name}(x)")
    if isinstance(arguments[0], exp.Star):
        return functions.aggregate(name, None, distinct=False)
    value = translate(arguments[0], scope.around())
    if any(alias not in scope.sources for alias, _ in value.columns):
        raise Refused(f"{name} in a query within a query is of columns of its own tables")
    return functions.aggregate(name, value, distinct=distinct)


def _only_keys(node: exp.Expression, keys: set[str]) -> None:
    for key, value in node.args.items():
        if value and key not in keys:
            raise Refused(f"{key.upper()} is not accepted here")


def _binary(build: Callable[[Value, Value], Value]) -> Callable[[exp.Expression, Scope], Value]:
    def translated(node: exp.Expression, scope: Scope) -> Value:
        return build(translate(node.this, scope), translate(node.expression, scope))

    return translated


def _chain(word: str, kind: type[exp.Expression]) -> Callable[[exp.Expression, Scope], Value]:
    def translated(node: exp.Expression, scope: Scope) -> Value:
        terms = [node.this, node.expression]
        while isinstance(terms[0], kind):
            terms[:1] = [terms[0].this, terms[0].expression]
        return operators.joined(word, [translate(term, scope) for term in terms])

    return translated


def _is(node: exp.Expression, scope: Scope) -> Value:
    value, wanted = translate(node.this, scope), node.expression
    if isinstance(wanted, exp.Null):
        return operators.is_null(value)
    if isinstance(wanted, exp.Boolean):
        return operators.is_truth(value, bool(wanted.this))
    raise Refused("IS is followed by NULL, NOT NULL, TRUE or FALSE", example="z IS NOT NULL")


def _in(node: exp.Expression, scope: Scope) -> Value:
    if node.args.get("query") is not None:
        return _queries(scope).among(node, translate(node.this, scope), scope)  # type: ignore[arg-type]
    return operators.among(translate(node.this, scope), [translate(item, scope) for item in node.expressions])


def _between(node: exp.Expression, scope: Scope) -> Value:
    value = translate(node.this, scope)
    low, high = translate(node.args["low"], scope), translate(node.args["high"], scope)
    return operators.joined("AND", [operators.compare(">=", value, low), operators.compare("<=", value, high)])


_NODES: Mapping[type[exp.Expression], Callable[[exp.Expression, Scope], Value]] = {
    exp.Column: lambda node, scope: scope.column(node),  # type: ignore[arg-type]
    exp.Literal: _literal,
    exp.Boolean: lambda node, _: values.boolean(bool(node.this)),
    exp.Null: lambda _, __: Value(Kind.NULL, "NULL", "NULL"),
    exp.Paren: lambda node, scope: translate(node.this, scope),
    exp.Neg: lambda node, scope: operators.negative(translate(node.this, scope)),
    exp.Not: lambda node, scope: operators.opposite(translate(node.this, scope)),
    exp.And: _chain("AND", exp.And),
    exp.Or: _chain("OR", exp.Or),
    exp.Mod: _binary(operators.remainder),
    exp.IntDiv: _binary(operators.quotient),
    exp.Like: _binary(operators.like),
    exp.ILike: _binary(lambda left, right: operators.like(left, right, any_case=True)),
    exp.RegexpLike: _binary(operators.matches),
    exp.Is: _is,
    exp.In: _in,
    exp.Between: _between,
    exp.Case: _case,
    exp.Cast: _cast,
    exp.Interval: _interval,
    exp.Anonymous: _call,
    exp.Subquery: lambda node, scope: _queries(scope).scalar(node, scope),  # type: ignore[arg-type]
    exp.Exists: lambda node, scope: _queries(scope).exists(node, scope),  # type: ignore[arg-type]
    **{kind: _binary(lambda a, b, sign=sign: operators.compare(sign, a, b)) for kind, sign in _COMPARISONS.items()},  # type: ignore[misc]
    **{kind: _binary(lambda a, b, sign=sign: operators.arithmetic(sign, a, b)) for kind, sign in _ARITHMETIC.items()},  # type: ignore[misc]
}
