"""Functions of texts, times and JSON documents give the same in both engines."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.filters.query import FilterError, check

pytestmark = pytest.mark.database


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("lower('ABCÄ')", "abcÄ"),
        ("upper(tns_name)", "2025ABC"),
        ("length('äöü')", 3),
        ("char_length('')", 0),
        ("substring('abcdef', 2)", "bcdef"),
        ("substr('abcdef', 2, 3)", "bcd"),
        ("substr('ab', 9, 3)", ""),
        ("left('abcdef', 2)", "ab"),
        ("concat('a', NULL)", None),
        ("concat('a', ndiasources)", "a4"),
        ("trim('  a b ')", "a b"),
        ("ltrim('  a ')", "a "),
        ("rtrim('  a ')", "  a"),
        ("starts_with('abc', 'ab')", True),
        ("instr('abc', 'c')", 3),
        ("locate('c', 'abc')", 3),
        ("instr('abc', 'x')", 0),
        ("regexp_like('abc', '^a')", True),
        ("mjd('1970-01-02')", 40588.0),
        ("mjd(now()) < mjdnow()", True),
        ("date_sub('2026-01-02', INTERVAL 1 DAY) = '2026-01-01'", True),
        ("date_add('2026-01-02', INTERVAL 2 WEEK) > '2026-01-15'", True),
    ],
)
def test_values(evaluate: Any, expression: str, value: Any) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "substr('a', 0)",
        "substr('a', -1)",
        "substr('a', ndiasources)",
        "left('a', 99999)",
        "concat(ra, 'x')",
        "date_add('2026-01-02', 1)",
        "date_sub(now(), INTERVAL ra DAY)",
        "mjd('yesterday')",
        "now() + INTERVAL 99999999 WEEK",
        "now() + INTERVAL 1 CENTURY",
    ],
)
def test_what_engines_read_differently_is_refused(expression: str) -> None:
    with pytest.raises(FilterError):
        check(f"SELECT {expression} AS x FROM objects")


DOCUMENT = (
    '{"score": 0.5, "n": 7, "s": "a b", "t": true, "z": null, "list": [1, {"x": "y"}], "a/b~c": "p", "o": {"k": "v"},'
    ' "big": 123456789012}'
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('JSON_VALUE(fink.classdict, "$.score") > 0.4', True),
        ("JSON_VALUE(fink.classdict, '$.s')", "a b"),
        ("JSON_VALUE(fink.classdict, '$.s') > 3", None),
        ("JSON_VALUE(fink.classdict, '$.n')", "7"),
        ("JSON_VALUE(fink.classdict, '$.n') + 1", 8.0),
        ("JSON_VALUE(fink.classdict, '$.t')", "true"),
        ("JSON_VALUE(fink.classdict, '$.z')", None),
        ("JSON_VALUE(fink.classdict, '$.nothing.here')", None),
        ("JSON_VALUE(fink.classdict, '$.list')", None),
        ("JSON_VALUE(fink.classdict, '$.list[0]') = 1", True),
        ("JSON_VALUE(fink.classdict, '$.list[1].x')", "y"),
        ("JSON_VALUE(fink.classdict, '$.\"a/b~c\"')", "p"),
        ("JSON_EXTRACT(fink.classdict, '$.o.k') = 'v'", True),
        ("JSON_UNQUOTE(JSON_EXTRACT(fink.classdict, '$.o.k'))", "v"),
        ("JSON_NUMBER(fink.classdict, '$.score')", 0.5),
        ("JSON_NUMBER(fink.classdict, '$.s')", None),
        ("JSON_VALUE(fink.classdict, '$.big') = 123456789012", True),
        ("COALESCE(JSON_VALUE(fink.classdict, '$.none'), 0.25)", 0.25),
        ("CAST(JSON_VALUE(fink.classdict, '$.n') AS SIGNED)", 7),
    ],
)
def test_documents(documented: Any, expression: str, value: Any) -> None:
    assert documented(expression) == value


@pytest.mark.parametrize("path", ["score", "$", "$.", "$[*]", "$..x", "$.a[-1]", '$."0"', "$.a-b", "$.*"])
def test_paths_that_engines_read_differently_are_refused(path: str) -> None:
    with pytest.raises(FilterError, match="JSON value"):
        check(f"SELECT JSON_VALUE(a.classdict, '{path}') AS x FROM objects JOIN annotations a USING (diaObjectId)"
              " WHERE a.topic = 'fink'")  # fmt: skip


@pytest.fixture(scope="module")
def documented(evaluate: Any, empty_engines: Any) -> Any:
    empty_engines.fill(
        {"annotations": [{"diaobjectid": 1, "topic": "fink", "classification": "SN", "classdict": DOCUMENT}]}
    )

    def value(expression: str) -> Any:
        ((_, found),) = empty_engines.run(
            f"SELECT {expression} AS x FROM objects JOIN annotations fink USING (diaObjectId) WHERE fink.topic = 'fink'"
        )
        return found

    return value
