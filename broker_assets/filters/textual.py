"""Functions of texts, times and JSON documents, for both engines."""

from __future__ import annotations

import re
from collections.abc import Callable

from broker_assets.filters import operators
from broker_assets.filters.errors import Refused
from broker_assets.filters.numeric import constant
from broker_assets.filters.schema import Kind
from broker_assets.filters.values import Value, as_text, both, quoted, same, text_as_real


def length(arguments: list[Value]) -> Value:
    value = as_text(arguments[0], "the argument of length")
    return both(
        Kind.INTEGER,
        f"CAST(length({value.duckdb}) AS BIGINT)",
        f"length({value.postgres})::bigint",
        value,
        low=0,
        high=2**31,
    )


def substring(arguments: list[Value]) -> Value:
    value = as_text(arguments[0], "the first argument of substring")
    start = constant(arguments[1], "the start of substring", 1, 10_000)
    length = constant(arguments[2], "the length of substring", 0, 10_000) if len(arguments) > 2 else 10_000
    return same(Kind.TEXT, f"substr({{0}}, {start}, {length})", value)


def left(arguments: list[Value]) -> Value:
    value = as_text(arguments[0], "the first argument of left")
    return same(Kind.TEXT, f"substr({{0}}, 1, {constant(arguments[1], 'the length of left', 0, 10_000)})", value)


def concat(arguments: list[Value]) -> Value:
    values = [as_text(item, "an argument of concat") for item in arguments]
    return same(Kind.TEXT, "(" + " || ".join(f"{{{number}}}" for number in range(len(values))) + ")", *values)


def trimmed(function: str) -> Callable[[list[Value]], Value]:
    def build(arguments: list[Value]) -> Value:
        return same(Kind.TEXT, f"{function}({{0}}, ' ')", as_text(arguments[0]))

    return build


def starts(arguments: list[Value]) -> Value:
    return same(Kind.BOOLEAN, "starts_with({0}, {1})", as_text(arguments[0]), as_text(arguments[1]))


def place_of(arguments: list[Value]) -> Value:
    values = [as_text(item) for item in arguments]
    return both(
        Kind.INTEGER,
        f"CAST(strpos({values[0].duckdb}, {values[1].duckdb}) AS BIGINT)",
        f"strpos({values[0].postgres}, {values[1].postgres})::bigint",
        *values,
        low=0,
        high=2**31,
    )


def mjd(arguments: list[Value]) -> Value:
    moment = operators.as_time(arguments[0])
    return both(
        Kind.REAL,
        f"(CAST(epoch_us({moment.duckdb}) AS DOUBLE) / 86400000000::DOUBLE + 40587::DOUBLE)",
        f"((extract(epoch FROM {moment.postgres}) * 1000000)::float8 / '86400000000'::float8 + '40587'::float8)",
        moment,
    )


def moved(sign: str) -> Callable[[list[Value]], Value]:
    def build(arguments: list[Value]) -> Value:
        return operators.arithmetic(sign, operators.as_time(arguments[0]), arguments[1])

    return build


_STEP = re.compile(r"""\.(?P<word>[A-Za-z_][A-Za-z0-9_]*)|\."(?P<quoted>[^"\\]+)"|\[(?P<index>0|[1-9][0-9]{0,5})\]""")
PATH = 'JSON_VALUE(fink.classdict, "$.score")'


def _path(argument: Value) -> list[str]:
    path = argument.constant
    if not isinstance(path, str) or not path.startswith("$"):
        raise Refused("the path of a JSON value is a text that begins with $", example=PATH)
    steps, position = [], 1
    while position < len(path):
        step = _STEP.match(path, position)
        key = step and (step["word"] or step["quoted"] or step["index"])
        if not step or not key or (step["quoted"] and re.match(r"[ +-]*[0-9]", key)):
            raise Refused(
                f"the path of a JSON value cannot be read at {path[position : position + 20]!r}", example=PATH
            )
        steps.append(key)
        position = step.end()
    if not steps or len(steps) > 10:
        raise Refused("the path of a JSON value has 1 to 10 keys", example=PATH)
    return steps


def json_value(arguments: list[Value]) -> Value:
    document = arguments[0]
    if document.kind is not Kind.DOCUMENT:
        raise Refused(f"the first argument is {document.kind.value}; a JSON document is needed", example=PATH)
    steps = _path(arguments[1])
    pointer = quoted("".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps))
    keys = "ARRAY[" + ", ".join(map(quoted, steps)) + "]::text[]"
    at = f"{document.postgres} #> {keys}"
    return both(
        Kind.JSON,
        f"(CASE WHEN json_type({document.duckdb}, {pointer}) NOT IN ('OBJECT', 'ARRAY')"
        f" THEN json_extract_string({document.duckdb}, {pointer}) END)",
        f"(CASE WHEN jsonb_typeof({at}) NOT IN ('object', 'array') THEN {document.postgres} #>> {keys} END)",
        document,
    )


def json_number(arguments: list[Value]) -> Value:
    return text_as_real(json_value(arguments))
