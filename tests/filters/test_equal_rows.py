"""Both engines give equal rows: filters and tables are generated."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from broker_assets.filters.query import FilterError, Problem, check

pytestmark = [pytest.mark.database, pytest.mark.slow]

# Tables ---------------------------------------------------------------------------------------------------------------

_single = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0**-126, 2.0**127, float("nan"), float("inf"), float("-inf"), 99.25]),
    st.floats(width=32),
)
_double = st.one_of(_single, st.sampled_from([1e308, -1e308, 5e-324, 61000.5, 1e-160, 1e155]), st.floats())
_whole = st.one_of(st.none(), st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31)]), st.integers(-9, 9))
_words = st.one_of(
    st.none(),
    st.sampled_from(
        ["", "SN", "sn", "g-r", "2025abc", "ä", "Ä", "a%b", "a_b", "12", "-1.5e3", "nan", "a\\b", "a'b", " x "]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
)
_times = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2030, 1, 1), timezones=st.just(datetime.UTC))


_documents = st.dictionaries(
    st.sampled_from(["a", "b", "c d"]),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.sampled_from(["", "SN", "12", "-1e3", "ä\"'", "NaN"]),
        st.floats(0.001, 1e6).map(lambda value: round(value, 3)),
        st.lists(st.integers(0, 3), max_size=2),
        st.dictionaries(st.sampled_from(["x", "1"]), st.integers(0, 3)),
    ),
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Rows of some objects, with rows of other tables for some of them."""
    objects = [
        {
            "diaobjectid": number,
            "ra": draw(_double),
            "decl": draw(_double),
            "ndiasources": draw(_whole),
            "g_psfflux": draw(_single),
            "r_psfflux": draw(_single),
            "lastdiasourcemjdtai": draw(_double),
            "tns_name": draw(_words),
            "latestpaircolourbands": draw(_words),
        }
        for number in range(1, draw(st.integers(1, 6)) + 1)
    ]
    some = st.sampled_from([item["diaobjectid"] for item in objects])
    hits = draw(
        st.lists(st.tuples(some, st.integers(1, 3), st.integers(1, 2)), max_size=8, unique_by=lambda hit: hit[:2])
    )
    return {
        "objects": objects,
        "sherlock_classifications": [
            {"diaobjectid": number, "classification": draw(_words) or "SN", "z": draw(_single), "photoz": draw(_single)}
            for number in draw(st.lists(some, unique=True))
        ],
        "watchlist_hits": [
            {
                "diaobjectid": number,
                "cone_id": cone,
                "wl_id": watchlist,
                "arcsec": abs(float(draw(_double) or 0)),
                "name": draw(_words),
            }
            for number, cone, watchlist in hits
        ],
        "annotations": [
            {
                "diaobjectid": number,
                "topic": "fink",
                "classification": "SN",
                "classdict": json.dumps(draw(_documents)),
                "timestamp": draw(_times),
            }
            for number in draw(st.lists(some, unique=True))
        ],
        "object_classes": [
            {
                "diaobjectid": number,
                "classifier": "c",
                "class": name,
                "version": "1",
                "score": draw(st.floats(0, 1, width=32)),
            }
            for number, name in draw(st.lists(st.tuples(some, st.sampled_from(["SN", "AGN"])), unique=True))
        ],
    }


# Filters --------------------------------------------------------------------------------------------------------------

_NUMBERS = st.sampled_from(
    [
        "ra",
        "decl",
        "g_psfFlux",
        "r_psfFlux",
        "nDiaSources",
        "s.z",
        "s.photoZ",
        "w.arcsec",
        "w.cone_id",
        "lastDiaSourceMjdTai",
        "o.diaObjectId",
        "s.classificationReliability",
        "mjd(f.timestamp)",
        "mjdnow()",
        "JSON_NUMBER(f.classdict, '$.a')",
    ]
)
_LITERALS = st.one_of(
    st.integers(-5, 5).map(str),
    st.sampled_from(["0", "0.5", "1e3", "1e300", "1e-300", "2147483647", "9223372036854775807", "NULL", ".5", "3."]),
    st.floats(-1e6, 1e6).map(lambda value: f"{value:.6f}"),
)
_TEXTS = st.sampled_from(
    ["tns_name", "s.classification", "w.name", "latestPairColourBands", "concat('', JSON_VALUE(f.classdict, '$.b'))"]
)
_VALUES = st.sampled_from(["'$.a'", "'$.b'", """'$."c d"'""", "'$.a.x'", "'$.b[0]'", "'$.a[1]'", "'$.nothing'"]).map(
    lambda path: f"JSON_VALUE(f.classdict, {path})"
)
_QUOTED = st.sampled_from(["'SN'", "''", '"sn"', "'a''b'", "'ä'", "'12'", "'a%'", "' x '", "NULL"])
_ONE = st.sampled_from(
    [
        "abs",
        "sqrt",
        "exp",
        "ln",
        "log10",
        "log2",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "radians",
        "degrees",
        "floor",
        "ceil",
        "trunc",
        "round",
        "sign",
        "flux2mag",
        "-",
        "log",
    ]
)
_PATTERNS = st.sampled_from(["'%a%'", "'S_'", "''", "'%'", r"'a\%%'", "'_'", "'%ä'", "'% %'"])
_EXPRESSIONS = st.sampled_from(
    [r"'^[A-Z]+$'", "'a'", r"'\d{2,3}'", "'^.$'", "'(a|b)?c'", r"'[^a-z]'", r"'\s'", r"'%\\'", "'ä'"]
)


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%", "DIV"]), inner).map(
            lambda it: f"({it[0]} {it[1]} {it[2]})"
        ),
        st.tuples(_ONE, inner).map(lambda it: f"{it[0]}({it[1]})"),
        st.tuples(
            st.sampled_from(["power", "atan2", "mod", "greatest", "least", "coalesce", "nullif"]), inner, inner
        ).map(lambda it: f"{it[0]}({it[1]}, {it[2]})"),
        st.tuples(inner, inner, inner).map(lambda it: f"if({it[0]} > {it[1]}, {it[1]}, {it[2]})"),
        st.tuples(inner, inner).map(lambda it: f"CASE WHEN {it[0]} <= 1 THEN {it[1]} WHEN {it[0]} > 3 THEN 2.5 END"),
        st.tuples(inner, st.integers(0, 4)).map(lambda it: f"round({it[0]}, {it[1]})"),
        st.tuples(inner, st.sampled_from(["DOUBLE", "BIGINT"])).map(lambda it: f"CAST({it[0]} AS {it[1]})"),
        st.tuples(inner, inner).map(lambda it: f"separation(ra, decl, {it[0]}, {it[1]})"),
        st.tuples(_TEXTS, st.sampled_from(["DOUBLE", "SIGNED"])).map(lambda it: f"CAST({it[0]} AS {it[1]})"),
        _TEXTS.map(lambda it: f"length({it})"),
        st.tuples(_TEXTS, _QUOTED).map(lambda it: f"instr({it[0]}, {it[1]})"),
    )


numbers = st.recursive(st.one_of(_NUMBERS, _LITERALS), _numbers, max_leaves=5)
texts = st.recursive(
    st.one_of(_TEXTS, _QUOTED),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["lower", "upper", "trim", "ltrim", "rtrim"]), inner).map(
            lambda it: f"{it[0]}({it[1]})"
        ),
        st.tuples(inner, inner).map(lambda it: f"concat({it[0]}, {it[1]})"),
        st.tuples(inner, inner).map(lambda it: f"coalesce({it[0]}, {it[1]})"),
        st.tuples(inner, st.integers(1, 3)).map(lambda it: f"substring({it[0]}, {it[1]}, 2)"),
        st.tuples(inner, st.integers(0, 3)).map(lambda it: f"left({it[0]}, {it[1]})"),
        st.tuples(inner, inner).map(lambda it: f"CASE WHEN {it[0]} > {it[1]} THEN {it[0]} ELSE {it[1]} END"),
    ),
    max_leaves=3,
)
_SIGN = st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "!="])
conditions = st.recursive(
    st.one_of(
        st.tuples(numbers, _SIGN, numbers).map(" ".join),
        st.tuples(texts, _SIGN, texts).map(" ".join),
        st.tuples(
            numbers, st.sampled_from(["IS NULL", "IS NOT NULL", "BETWEEN -1 AND 2.5", "NOT IN (1, 2.5)", "IN (0, 1)"])
        ).map(" ".join),
        st.tuples(texts, st.sampled_from(["IS NULL", "IN ('SN', 'x')", "NOT IN ('a')", "BETWEEN 'A' AND 'b'"])).map(
            " ".join
        ),
        st.tuples(texts, st.sampled_from(["LIKE", "NOT LIKE", "ILIKE"]), _PATTERNS).map(" ".join),
        st.tuples(texts, st.sampled_from(["REGEXP", "NOT REGEXP"]), _EXPRESSIONS).map(" ".join),
        st.tuples(texts, texts).map(lambda it: f"starts_with({it[0]}, {it[1]})"),
        st.tuples(_VALUES, _SIGN, numbers).map(" ".join),
        st.tuples(_VALUES, _SIGN, st.one_of(texts, _VALUES)).map(" ".join),
        st.tuples(_VALUES, st.sampled_from(["IS NULL", "IN ('SN', 'true')", "IN (1, 2)", "LIKE '%S%'"])).map(" ".join),
        st.tuples(
            _SIGN, st.sampled_from(["'2001-02-03'", "now() - INTERVAL 3 WEEK", "'1999-12-31 23:59:59.5'", "now()"])
        ).map(lambda it: f"f.timestamp {it[0]} {it[1]}"),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda it: f"({it[0]} {it[1]} {it[2]})"),
        inner.map(lambda it: f"NOT ({it})"),
        inner.map(lambda it: f"({it}) IS TRUE"),
    ),
    max_leaves=3,
)
FROM = (
    "FROM objects o LEFT JOIN sherlock_classifications s ON s.diaObjectId = o.diaObjectId"
    " LEFT JOIN watchlist_hits w ON w.diaObjectId = o.diaObjectId AND w.wl_id IN (1, 2)"
    " LEFT JOIN annotations f ON f.diaObjectId = o.diaObjectId AND f.topic = 'fink'"
)


_INNER = st.sampled_from(
    ["c.score", "h.arcsec", "h.cone_id", "c.score + o.ra", "nDiaSources", "o.diaObjectId", "0.5", "3"]
)
"""Values in queries over the classes and hits of an object of the query around them."""
_ROWS = (
    "FROM object_classes c LEFT JOIN watchlist_hits h ON h.diaObjectId = c.diaObjectId AND h.wl_id IN (1, 3)"
    " WHERE c.diaObjectId = o.diaObjectId AND"
)
_TESTS = st.one_of(
    st.tuples(_INNER, _SIGN, _INNER).map(" ".join),
    st.sampled_from(["c.class = 'SN'", "h.name IS NULL", "h.name < s.classification", "NOT c.score > s.z", "TRUE"]),
    st.sampled_from(
        ["c.class IN (SELECT k.class FROM object_classes k WHERE k.diaObjectId = c.diaObjectId AND k.score > h.arcsec)"]
    ),
)
_CHOSEN = st.sampled_from(["max(c.score)", "count(*)", "count(DISTINCT h.name)", "min(h.name)", "sum(h.cone_id)"])


@st.composite
def nested(draw: st.DrawFn) -> str:
    """A condition with a query within it."""
    test = draw(_TESTS)
    kind = draw(st.integers(0, 6))
    word = draw(st.sampled_from(["", "NOT "]))
    if kind == 0:
        return f"{word}EXISTS (SELECT 1 {_ROWS} {test})"
    if kind == 1:
        other = draw(_TESTS)
        return f"{word}EXISTS (SELECT c.class {_ROWS} {test} UNION ALL SELECT * {_ROWS} {other})".replace("*", "h.name")
    if kind == 2:
        groups = draw(st.sampled_from(["", " AND c.score > 0.1", " GROUP BY c.diaObjectId HAVING count(*) > 1"]))
        return f"o.diaObjectId {word}IN (SELECT c.diaObjectId FROM object_classes c WHERE c.score > -1{groups})"
    if kind == 3:
        return f"{draw(numbers)} {word}IN (SELECT {draw(_INNER)} {_ROWS} {test})"
    if kind == 4:
        single = "SELECT x.classification FROM sherlock_classifications x WHERE x.diaObjectId = o.diaObjectId"
        return f"({single}) {draw(_SIGN)} {draw(texts)}"
    if kind == 5:
        return f"s.classification {word}IN (SELECT c.class {_ROWS} {test} UNION SELECT h.name {_ROWS} {test})"
    chosen = draw(_CHOSEN)
    sign = f"{draw(_SIGN)} {draw(texts)}" if "min" in chosen else f"{draw(_SIGN)} {draw(numbers)}"
    return f"(SELECT {chosen} {_ROWS} {test}) {sign}"


@st.composite
def with_queries(draw: st.DrawFn) -> str:
    """A filter with queries within it: in conditions, in FROM, in WITH, joined by UNION."""
    where = f"{draw(nested())} {draw(st.sampled_from(['AND', 'OR']))} {draw(st.one_of(nested(), conditions))}"
    test, order = draw(_TESTS), draw(st.sampled_from(["", " ORDER BY x, 1", " ORDER BY t DESC"]))
    value = f"(SELECT {draw(_CHOSEN)} {_ROWS} {test})"
    plain = f"SELECT o.diaObjectId, {draw(numbers)} AS x, {draw(texts)} AS t {FROM} WHERE {where}"
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return f"SELECT o.diaObjectId, {value} AS x, {draw(nested())} AS t {FROM} WHERE {where}{order}"
    if kind == 1:
        values = f"{draw(numbers)}, {draw(st.one_of(texts, st.just('NULL')))}"
        other = f"SELECT o.diaObjectId, {values} {FROM} WHERE {draw(conditions)}"
        return f"{plain} UNION {draw(st.sampled_from(['', 'ALL ']))}{other}{order}"
    if kind == 2:
        return (
            f"WITH one AS ({plain}), two AS (SELECT diaObjectId AS id, max(score) AS best, count(*) AS n"
            " FROM object_classes GROUP BY diaObjectId HAVING n > 0) SELECT one.*, two.best, mjdnow() AS now"
            " FROM one LEFT JOIN two ON two.id = one.diaObjectId AND two.best > 0.2"
            f" WHERE two.n > 1 OR one.x > 0{order}"
        )
    if kind == 3:
        return (
            f"WITH one AS ({plain} UNION SELECT diaObjectId, NULL, class FROM object_classes)"
            " SELECT o.diaObjectId, one.x, one.t, count(*) AS n FROM objects o JOIN one USING (diaObjectId)"
            " GROUP BY o.diaObjectId, one.x, one.t HAVING n > 0"
        )
    if kind == 4:
        return (
            f"SELECT DISTINCT q.t, q.x FROM ({plain}) AS q JOIN ({plain}) AS r ON q.diaObjectId = r.diaObjectId{order}"
        )
    rest = "diaObjectId NOT IN (SELECT diaObjectId FROM one)"
    return f"WITH one AS ({plain}) SELECT ra AS x, tns_name AS t FROM objects WHERE {rest}"


@st.composite
def filters(draw: st.DrawFn) -> str:
    """A filter; some have groups, some queries within them."""
    if draw(st.integers(0, 2)) == 0:
        return draw(with_queries())
    where = draw(conditions)
    if draw(st.booleans()):
        order = draw(st.sampled_from(["", " ORDER BY x", " ORDER BY t DESC, 1"]))
        return f"SELECT {draw(numbers)} AS x, {draw(texts)} AS t, {draw(conditions)} AS b {FROM} WHERE {where}{order}"
    number = draw(numbers)
    having = draw(st.sampled_from(["", " HAVING n > 1", " HAVING low > 0 OR n = 1"]))
    return (
        f"SELECT o.diaObjectId, count(*) AS n, min({number}) AS low, max({draw(texts)}) AS t,"
        " count(DISTINCT w.name) AS d, ra"
        f" {FROM} WHERE {where} GROUP BY o.diaObjectId{having}"
    )


accepted, refused = [0], [0]


@settings(max_examples=15, phases=(Phase.explicit, Phase.generate), report_multiple_bugs=False)
@given(rows=tables(), texts=st.lists(filters(), min_size=6, max_size=6))
def test_engines_agree(engines: Any, rows: Any, texts: list[str]) -> None:
    engines.refill(rows)
    unexpected: list[Problem] = []
    for text in texts:
        try:
            query = check(text)
        except FilterError as error:
            refused[0] += 1
            unexpected += [item for item in error.problems if not any(word in item.message for word in _REFUSALS)]
            continue
        accepted[0] += 1
        rows = engines.run(query)
        candidates = engines.run_clauses(query)
        # What passes all clauses is what the filter finds; a group is found through the rows that are in it.
        passing = {row[0] for row in candidates if all(row[1 : 1 + len(query.clauses)])}
        assert passing == {row[0] for row in rows}, query.text
    assert unexpected == []


_REFUSALS = (
    "64 bits",
    "too complex",
    "never true",
    "always NULL",
    "DIV is for",
    "comparison with NULL",
    "is compared with",
    "a filter may read",
    "a filter may have",
    "levels deep",
)
"""Why a generated filter may be refused: what it would compute or its size, not how it is written."""


def test_most_filters_were_accepted() -> None:
    assert accepted[0] > refused[0]
