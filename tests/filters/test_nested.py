"""Queries within a filter: what they may read, what they give, and what is said of those that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from broker_assets.filters.nested import MAX_LEVELS, MAX_QUERIES
from broker_assets.filters.query import FilterError, Form, check

CLASSES = "FROM object_classes AS c WHERE c.diaObjectId = o.diaObjectId"

ROWS: dict[str, Any] = {
    "objects": [
        {"diaobjectid": 1, "ra": 1.0, "decl": 0.0, "ndiasources": 5},
        {"diaobjectid": 2, "ra": 2.0, "decl": 0.0, "ndiasources": 1},
        {"diaobjectid": 3, "ra": 3.0, "decl": 0.0, "ndiasources": 9},
    ],
    "object_classes": [
        {"diaobjectid": number, "classifier": "c", "version": "1", "class": name, "score": score}
        for number, name, score in ((1, "SN", 0.5), (1, "AGN", 0.25), (2, "SN", 0.75))
    ],
    "watchlist_hits": [
        {"diaobjectid": 1, "cone_id": 1, "wl_id": 7, "arcsec": 1.0, "name": "x"},
        {"diaobjectid": 3, "cone_id": 2, "wl_id": 8, "arcsec": 2.0, "name": "y"},
    ],
}

FOUND: list[tuple[Form | str, list[tuple[Any, ...]]]] = [
    ("SELECT ra FROM objects WHERE diaObjectId NOT IN (SELECT diaObjectId FROM watchlist_hits WHERE wl_id = 7)",
     [(2, 2.0), (3, 3.0)]),
    (f"SELECT ra FROM objects AS o WHERE EXISTS (SELECT 1 {CLASSES} AND c.score > 0.6)", [(2, 2.0)]),
    (f"SELECT (SELECT max(c.score) {CLASSES}) AS best, (SELECT count(*) {CLASSES}) AS n FROM objects AS o ORDER BY n",
     [(3, None, 0), (2, 0.75, 1), (1, 0.5, 2)]),
    ("WITH many AS (SELECT diaObjectId, ra AS x FROM objects WHERE nDiaSources > 3), best AS (SELECT diaObjectId,"
     " max(score) AS score FROM object_classes GROUP BY diaObjectId) SELECT many.x, best.score FROM many"
     " LEFT JOIN best ON best.diaObjectId = many.diaObjectId ORDER BY x", [(1, 1.0, 0.5), (3, 3.0, None)]),
    ("SELECT ra AS x FROM objects WHERE ra < 2 UNION SELECT ra FROM objects WHERE ra < 2 UNION ALL"
     " SELECT NULL FROM objects JOIN watchlist_hits AS w USING (diaObjectId) WHERE w.wl_id = 8 ORDER BY x DESC",
     [(1, 1.0), (3, None)]),
    (Form("objects.diaObjectId", "objects", "objects.diaObjectId IN (SELECT watchlist_hits.diaObjectId FROM"
          " watchlist_hits WHERE watchlist_hits.wl_id = 8) OR objects.ra > 9"), [(3, 3)]),
    ("SELECT q.n FROM (SELECT diaObjectId, nDiaSources AS n FROM objects) AS q WHERE q.n > 8", [(3, 9)]),
]  # fmt: skip


@pytest.mark.database
@pytest.mark.parametrize(("form", "rows"), FOUND)
def test_both_engines_find_them(engines: Any, form: Form | str, rows: list[tuple[Any, ...]]) -> None:
    engines.refill(ROWS)
    assert sorted(engines.run(form), key=str) == sorted(rows, key=str)


@pytest.mark.database
def test_the_example_of_the_document_runs(engines: Any) -> None:
    document = (Path(__file__).parents[2] / "docs/filters.md").read_text()
    example = document.partition("## Queries within a filter\n```sql\n")[2].partition("```")[0]
    engines.refill(
        {
            "objects": [{"diaobjectid": number, "ra": 1.0, "decl": 0.0, "g_psfflux": 1e5} for number in (1, 2, 3)],
            "object_classes": ROWS["object_classes"],
            "watchlist_hits": ROWS["watchlist_hits"],
            "mma_area_hits": [{"diaobjectid": n, "mw_id": 1, "contour": 10 * n, "probdens2": 1.0} for n in (1, 2)],
        }
    )
    assert [(row[0], row[3]) for row in engines.run(example)] == [(2, 0.75)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT ra FROM objects AS o WHERE ra = (SELECT max(x.ra) FROM objects AS x)", "63: x is not joined to o"),
        (f"SELECT ra FROM objects AS o WHERE 1 < (SELECT c.score {CLASSES})", "selects an aggregate"),
        ("SELECT ra FROM objects AS o WHERE EXISTS (SELECT 1 FROM object_clases AS c)", "Did you mean object_classes?"),
        (f"SELECT ra FROM objects AS o WHERE EXISTS (SELECT c.scor {CLASSES})", "column 50: object_classes has no"),
        (f"SELECT ra FROM objects AS o WHERE EXISTS (SELECT 1 {CLASSES} ORDER BY c.score)", "at the end"),
        (f"SELECT ra FROM objects AS o WHERE EXISTS (SELECT 1 {CLASSES} LIMIT 1)", "LIMIT"),
        (f"SELECT ra FROM objects AS o WHERE ra IN (SELECT c.score, 1 {CLASSES})", "selects one value here, not 2"),
        (f"SELECT ra FROM objects AS o WHERE ra IN (SELECT c.class {CLASSES})", "is compared with"),
        (f"SELECT ra FROM objects AS o WHERE ra > ANY (SELECT c.score {CLASSES})", "ANY is not part"),
        (f"SELECT ra FROM objects AS o WHERE 1 < (SELECT max(o.ra) {CLASSES})", "columns of its own tables"),
        (f"SELECT ra FROM objects AS o WHERE EXISTS (WITH x AS (SELECT ra FROM objects) SELECT 1 {CLASSES})", "WITH"),
        ("SELECT x.ra FROM (SELECT ra FROM objects)", "a query in FROM has a name"),
        ("SELECT o.ra FROM objects AS o JOIN (SELECT ra AS r FROM objects) AS x ON x.r = o.ra", "does not select"),
        ("WITH x AS (SELECT diaObjectId FROM object_classes) SELECT diaObjectId FROM x", "reads objects, once"),
        ("WITH x AS (SELECT ra FROM objects) SELECT ra FROM objects", "nothing reads the query x"),
        ("WITH objects AS (SELECT ra FROM objects) SELECT ra FROM objects", "a table objects already"),
        ("WITH x AS (SELECT ra FROM x) SELECT ra FROM x", "no table x"),
        ("SELECT ra, decl FROM objects UNION SELECT ra FROM objects", "as many columns; here are 2 and 1"),
        ("SELECT ra FROM objects UNION SELECT tns_name FROM objects", "column ra of UNION is of one type"),
        ("SELECT ra FROM objects UNION SELECT score FROM object_classes", "every SELECT of UNION reads objects"),
        ("SELECT ra FROM objects EXCEPT SELECT decl FROM objects", "EXCEPT and INTERSECT are not accepted"),
        ("SELECT diaObjectId FROM objects GROUP BY diaObjectId HAVING EXISTS (SELECT 1 FROM objects AS x)",
         "not accepted here"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_is(text: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        check(text)
    assert said in str(caught.value)


def test_their_lists_tables_and_columns_are_those_of_the_filter() -> None:
    query = check(
        "WITH x AS (SELECT o.diaObjectId FROM objects AS o JOIN area_hits AS a USING (diaObjectId) WHERE a.ar_id = 5)"
        " SELECT x.diaObjectId FROM x WHERE x.diaObjectId NOT IN (SELECT diaObjectId FROM watchlist_hits"
        " WHERE wl_id = 3 UNION SELECT diaObjectId FROM annotations WHERE topic = 'fink') AND mjdnow() > 3"
    )
    assert query.watchlists == {3}
    assert query.areas == {5}
    assert query.annotators == {"fink"}
    assert query.uses_now
    assert query.tables == {"objects", "area_hits", "watchlist_hits", "annotations"}
    assert query.columns["annotations"] == {"diaobjectid", "topic"}


def test_there_is_a_limit_of_levels_and_numbers() -> None:
    text = "1 = 1"
    for level in range(MAX_LEVELS + 1):
        outer = f"c{level + 1}" if level < MAX_LEVELS else "o"
        own = f"c{level}.diaObjectId = {outer}.diaObjectId"
        text = f"EXISTS (SELECT 1 FROM object_classes AS c{level} WHERE {own} AND {text})"
    with pytest.raises(FilterError, match="nested more than 4 levels"):
        check(f"SELECT ra FROM objects AS o WHERE {text}")
    one = f"EXISTS (SELECT 1 {CLASSES})"
    check(f"SELECT ra FROM objects AS o WHERE {' OR '.join([one] * MAX_QUERIES)}")
    with pytest.raises(FilterError, match="may have 20 queries"):
        check(f"SELECT ra FROM objects AS o WHERE {' OR '.join([one] * (MAX_QUERIES + 1))}")
    doubled = ", ".join(
        f"x{number + 1} AS (SELECT a.diaObjectId FROM x{number} AS a JOIN x{number} AS b USING (diaObjectId))"
        for number in range(9)
    )
    with pytest.raises(FilterError, match="may read 30 tables"):
        check(f"WITH x0 AS (SELECT diaObjectId FROM objects), {doubled} SELECT diaObjectId FROM x9")


def test_each_query_over_the_objects_has_clauses_of_its_own() -> None:
    union = check("SELECT ra FROM objects WHERE ra > 3 UNION SELECT decl FROM objects WHERE decl > 3 AND ebv < 1")
    assert [clause.text for clause in union.clauses] == ["is in one of the SELECTs of UNION"]
    assert {name: [clause.text for clause in part.clauses] for name, part in union.parts.items()} == {
        "SELECT 1 of 2": ["ra > 3"],
        "SELECT 2 of 2": ["decl > 3", "ebv < 1"],
    }
