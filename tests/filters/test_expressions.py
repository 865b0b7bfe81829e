"""Every part of an expression is known to the language, or refused with its place."""

from __future__ import annotations

import pytest

from broker_assets.filters.query import FilterError, check


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("(SELECT 1)", "a query within a query reads a table"),
        ("EXISTS (SELECT 1 FROM objects)", "called objects too"),
        ("ra IN (SELECT ra FROM objects AS x)", "x is not joined to objects"),
        ("ra = ANY (SELECT 1)", "not part"),
        ("row_number() OVER (ORDER BY ra)", "OVER"),
        ("sum(ra) OVER ()", "OVER"),
        ("(ra, decl)", "a list in parentheses"),
        ("INTERVAL 1 DAY", "INTERVAL"),
        ("pg_sleep(1)", "no function pg_sleep"),
        ("slep(1)", "no function"),
        ("flux2mg(ra)", "Did you mean flux2mag?"),
        ("flux2mag()", "1 argument; here are 0"),
        ("pi(3)", "0 arguments"),
        ("count(*)", "GROUP BY"),
        ("objects.ra.x", ""),
        ("public.objects.ra", "table.column"),
        ("DATE '2026-01-01'", ""),
        ("ra IS 3", "IS is followed by"),
        ("CASE WHEN ra THEN 1 END", "a condition is needed"),
        ("CAST(ra AS regclass)", "not accepted"),
        ("CAST(ra AS INT[])", ""),
        ("ra AT TIME ZONE 'UTC'", ""),
        ("ra COLLATE x", ""),
        ("x -> ra", ""),
        ("current_user", "no table of the query"),
        ("version()", "no function version"),
        ("current_setting('x')", "no function"),
        ("getvariable('x')", "no function"),
        ("ra LIKE 'x' ESCAPE '!'", "ESCAPE"),
        ("ra SIMILAR TO 'x'", ""),
        ("ra GLOB 'x'", ""),
        ("ra IS DISTINCT FROM 3", ""),
        ("NOT ra", "a condition is needed"),
        ("count(DISTINCT ra, decl)", ""),
        ("mjdnow(1)", "no arguments"),
        ("extract(year FROM ra)", ""),
        ("try_cast(ra AS int)", ""),
        ("ra DIV 2", "whole numbers"),
    ],
)
def test_what_is_not_in_the_language_is_refused(expression: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        check(f"SELECT {expression} AS x FROM objects")
    assert said in str(caught.value)
    assert caught.value.problems[0].line == 1


def test_long_chains_are_translated() -> None:
    many = " OR ".join(f"diaObjectId = {number}" for number in range(900))
    assert check(f"SELECT ra FROM objects WHERE {many}").duckdb().count(" OR ") == 899
    sums = "+".join(["1"] * 90)
    assert check(f"SELECT {sums} AS x FROM objects").output == ("x",)
    with pytest.raises(FilterError, match="100 levels"):
        check(f"SELECT {'+'.join(['1'] * 1000)} AS x FROM objects")
