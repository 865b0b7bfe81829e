"""The parts of both forms, and what a filter may not have."""

from __future__ import annotations

import pytest

from broker_assets.filters.form import Form
from broker_assets.filters.query import FilterError, check


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT ra FROM objects LIMIT 5", "LIMIT"),
        ("SELECT ra FROM objects OFFSET 5", "LIMIT and OFFSET"),
        ("SELECT ra INTO x FROM objects", "INTO"),
        ("SELECT ra FROM objects FOR UPDATE", "LOCKS"),
        ("SELECT ra FROM objects TABLESAMPLE (1 PERCENT)", ""),
        ("SELECT ra FROM (SELECT 1) x", "reads a table"),
        ("SELECT ra FROM generate_series(1, 9)", "FROM names published tables"),
        ("SELECT 1", "reads no table"),
        ("SELECT ra FROM 'x.parquet'", "no table x.parquet"),
        ('SELECT ra FROM "x.csv"', "no table x.csv"),
        ("SELECT ra FROM information_schema.tables", "without a schema"),
        ("SELECT ra FROM pg_catalog.pg_authid", "without a schema"),
        ("SELECT ra FROM objects o NATURAL JOIN sherlock_classifications s", "kind of join"),
        (
            "SELECT o.ra FROM objects o RIGHT JOIN sherlock_classifications s ON o.diaObjectId = s.diaObjectId",
            "kind of join",
        ),
        ("SELECT o.ra FROM objects o LEFT JOIN sherlock_classifications s", ""),
        ("SELECT ra FROM objects, objects", "two tables are called"),
        ("SELECT a.ra FROM objects a, objects b", "reads objects, once"),
        ("SELECT z FROM sherlock_classifications", "reads objects, once"),
        ("SELECT ra FROM objects, sherlock_classifications", "not joined"),
        ("SELECT ra FROM objects o JOIN sherlock_classifications s ON o.ra > s.z", "not joined"),
        ("SELECT ra FROM objects o JOIN watchlist_hits w USING (diaObjectId)", "restricted to named ones"),
        (
            "SELECT ra FROM objects o JOIN watchlist_hits w USING (diaObjectId) WHERE w.wl_id = 3 OR ra > 3",
            "restricted",
        ),
        ("SELECT ra FROM objects o JOIN watchlist_hits w USING (diaObjectId) WHERE w.wl_id <> 3", "restricted"),
        ("SELECT ra FROM objects o JOIN watchlist_hits w USING (diaObjectId) WHERE w.wl_id = w.wl_id", "restricted"),
        ("SELECT ra FROM objects o JOIN annotations w USING (diaObjectId) WHERE w.topic LIKE 'f%'", "restricted"),
        (
            "SELECT ra FROM objects o LEFT JOIN area_hits w ON w.diaObjectId = o.diaObjectId WHERE w.ar_id = 3",
            "a term of ON",
        ),
        ("SELECT ra FROM objects GROUP BY ROLLUP (ra)", ""),
        ("SELECT ra FROM objects ORDER BY 7", "number 7"),
        ("SELECT DISTINCT ON (ra) ra FROM objects", "DISTINCT ON"),
        ("SELECT ra, ra FROM objects", "two selected values"),
        ("SELECT ra AS UTC FROM objects", "every message has a value UTC of its own"),
        ("SELECT ra AS alert FROM objects", "every message has a value alert of its own"),
        ("SELECT ra FROM objects GROUP BY", "nothing follows GROUP BY"),
        ("SELECT ra AS `$x` FROM objects", "a character that names do not have"),
        ("SELECT ra FROM objects WINDOW w AS (ORDER BY ra)", ""),
        ("SELECT ra FROM objects QUALIFY ra > 3", ""),
        ("SELECT ALL ra FROM objects x (a, b)", ""),
    ],
)
def test_what_a_select_may_not_have(text: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        check(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("form", "part", "said"),
    [
        (Form("", "objects"), "selected", "nothing is selected"),
        (Form("ra FROM users", "objects"), "selected", "FROM"),
        (Form("ra", "objects", "ra > 3) OR (ra < 1"), "conditions", "has no match"),
        (Form("ra", "objects", "ra > 3 UNION SELECT 1"), "conditions", "UNION"),
        (Form("ra", "objects", "ra > 3 LIMIT 5"), "conditions", "LIMIT"),
        (Form("ra", "objects", "ra > 3; DROP TABLE x"), "conditions", "semicolon"),
        (Form("ra", "objects", "ra > 3 -- AND"), "conditions", "comments"),
        (Form("ra", "objects", "zz > 3"), "conditions", "has a column zz"),
        (Form("ra,\n zz", "objects"), "selected", "line 2, column 2"),
        (Form("ra", "objects, nothing"), "tables", "line 1, column 10"),
    ],
)
def test_what_a_form_may_not_have(form: Form, part: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        check(form)
    assert caught.value.problems[0].part == part
    assert said in str(caught.value)


def test_a_first_line_may_be_a_comment_and_order_may_stand_alone() -> None:
    query = check(Form("ra", "objects", "-- newest first\nORDER BY lastDiaSourceMjdTai DESC"))
    assert "DESC NULLS LAST" in query.duckdb()
    assert query.clauses == ()


@pytest.mark.parametrize(
    "form",
    [
        Form("ra", "objects, watchlist:3", "ra > 3 OR decl > 4"),
        Form(
            "ra, fink.classification",
            "annotator:fink, area:1&2",
            "-- bright\nra > 3\nORDER BY fink.classification DESC",
        ),
        Form("objects.diaObjectId, count(*) AS n", "object_classes", "GROUP BY objects.diaObjectId HAVING n > 1"),
        Form("ra", "objects", ""),
    ],
)
def test_the_text_of_a_form_is_the_same_filter_as_one_select(form: Form) -> None:
    query = check(form)
    assert check(query.text).duckdb() == query.duckdb()
    assert query.key.args["from_"].name == "objects"


def test_the_text_of_a_form_keeps_conditions_together() -> None:
    assert check(Form("ra", "objects, watchlist:3", "ra > 3 OR decl > 4")).text.endswith("AND\n  (ra > 3 OR decl > 4)")
