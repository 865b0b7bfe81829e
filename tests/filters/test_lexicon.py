"""What reaches the parser is plain, short and flat."""

from __future__ import annotations

import time

import pytest

from broker_assets.filters.errors import Refused
from broker_assets.filters.lexicon import MAX_DEPTH, MAX_LITERAL, blank_comments, place, tokens


def refusal(text: str) -> Refused:
    with pytest.raises(Refused) as caught:
        tokens(text)
    return caught.value


def test_a_text_is_split_with_places() -> None:
    found = tokens("SELECT `a b`, 'it''s' FROM t\nWHERE x>=1.5e3")
    assert [token.text for token in found] == [
        "SELECT", "`a b`", ",", "'it''s'", "FROM", "t", "WHERE", "x", ">=", "1.5e3",
    ]  # fmt: skip
    assert found[-1].start == 38
    assert place("SELECT `a b`, 'it''s' FROM t\nWHERE x>=1.5e3", 38) == (2, 10)


@pytest.mark.parametrize(
    ("text", "said", "at"),
    [
        ("SELECT 1 /* x */", "comments", 9),
        ("SELECT 1 -- x", "comments", 9),
        ("SELECT 1 # x", "comments", 9),
        ("SELECT $$x$$", "sign $", 7),
        ("SELECT 'x", "not closed on its line", 7),
        ("SELECT 'x\ny'", "not closed on its line", 7),
        ("SELECT \u0430 FROM x", "CYRILLIC SMALL LETTER A", 7),
        ("SELECT\u00a01", "NO-BREAK SPACE", 6),
        ("SELECT \uff53leep", "looks like s", 7),
        ("SELECT 'a\u202eb'", "RIGHT-TO-LEFT OVERRIDE", 9),
        ("SELECT 'a\x00b'", "U+0000", 9),
        ("SELECT a || b", "CONCAT", 9),
        ("SELECT a\\b", "sign \\", 8),
        ("SELECT a[1]", "sign [", 8),
        ("SELECT {x}", "sign {", 7),
        ("SELECT :x", "sign :", 7),
        ("SELECT @x", "sign @", 7),
        ("SELECT ?", "sign ?", 7),
        ("SELECT (1", "not closed", 7),
        ("SELECT 1)", "has no match", 8),
        ("SELECT " + "9" * 31, "number", 7),
        ("SELECT " + "a" * 65, "name", 7),
        ("SELECT '" + "a" * (MAX_LITERAL + 1) + "'", "1000 characters", 7),
        ("SELECT " + "1+" * 3000 + "1", "words and signs", 4000 + 6),
    ],
)
def test_what_is_not_accepted_is_named_with_its_place(text: str, said: str, at: int) -> None:
    problem = refusal(text)
    assert said in f"{problem.message} {problem.suggestion}"
    assert problem.at == at


@pytest.mark.parametrize(
    "text",
    ["(" * 30 + "1" + ")" * 30, "NOT " * 30 + "x", "- " * 30 + "1", "CASE WHEN a THEN " * 30 + "1" + " END" * 30],
)
def test_deep_nesting_is_refused(text: str) -> None:
    assert f"{MAX_DEPTH} levels" in refusal(text).message


@pytest.mark.parametrize("text", ["(" * 10_000_000, "'" + "a" * 10_000_000, "9" * 10_000_000, "\u0430" * 10_000_000])
def test_huge_texts_are_refused_at_once(text: str) -> None:
    started = time.process_time()
    assert "characters" in refusal(text).message
    assert time.process_time() - started < 1


def test_lines_of_comments_keep_places() -> None:
    assert blank_comments("-- a\n  -- b\nSELECT 1") == "    \n      \nSELECT 1"
    assert [token.text for token in tokens("-- it's\nx")] == ["x"]
