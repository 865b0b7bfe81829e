"""Filters are one SELECT; functions are names."""

from __future__ import annotations

import pytest
from sqlglot import exp

from broker_assets.filters.errors import Refused
from broker_assets.filters.grammar import parse, position, rendered


@pytest.mark.parametrize(
    "text",
    [
        "", "-- nothing", "DELETE FROM objects", "SELECT 1; SELECT 2", "WITH a AS (SELECT 1)",
        "SELECT 1 EXCEPT SELECT 2", "SELECT 1 INTERSECT SELECT 2", "(SELECT 1)", "EXPLAIN SELECT 1", "VALUES (1)",
        "COPY objects TO 'x'", "ATTACH 'x'", "SET x = 1", "PRAGMA x", "INSTALL httpfs", "CALL x()", "FROM objects",
        "SELECT FROM FROM", "SELECT 1 +",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_place(text: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(text)
    assert caught.value.at is not None


def test_functions_keep_their_names_whatever_the_library_knows() -> None:
    tree = parse(
        "SELECT json_extract(a, '$.b'), sleep(1), sqrt(2), left(x, 1), date_add(t, INTERVAL 1 DAY) FROM objects"
    )
    assert {type(node) for node in tree.expressions} == {exp.Anonymous}


def test_both_quotes_are_texts_and_backquotes_are_names() -> None:
    tree = parse("""SELECT "a", 'b', `c` FROM objects""")
    assert [type(node) for node in tree.expressions] == [exp.Literal, exp.Literal, exp.Column]
    assert tree.expressions[0].this == "a"


def test_places_are_those_of_the_text() -> None:
    tree = parse("SELECT a,\n  b + c FROM objects")
    assert position(tree.expressions[1]) == 12


@pytest.mark.parametrize(
    "text",
    [
        "NOT (a > 1)",
        "a IS NOT NULL",
        "'x IS y' IS NOT NULL",
        "a NOT IN (1, 2)",
        "a NOT IN (SELECT b FROM c)",
        "a NOT BETWEEN 1 AND 2",
        "a NOT LIKE 'x'",
    ],
)
def test_expressions_are_written_as_people_do(text: str) -> None:
    assert rendered(parse(f"SELECT {text} FROM objects").expressions[0]) == text
