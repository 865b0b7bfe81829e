"""What is wrong with a filter is said with its place and what was meant."""

from __future__ import annotations

from broker_assets.filters.errors import FilterError, Problem, nearest


def test_a_problem_is_a_sentence_with_its_place() -> None:
    problem = Problem("there is no table objets.", 2, 7, "tables", "Did you mean objects?", "objects")
    assert str(problem) == "tables, line 2, column 7: there is no table objets. Did you mean objects? Example: objects"


def test_what_follows_a_problem_is_a_sentence_of_its_own() -> None:
    assert str(Problem("nothing is selected", example="objects.ra")) == (
        "line 1, column 1: nothing is selected. Example: objects.ra"
    )


def test_an_error_has_all_problems() -> None:
    error = FilterError([Problem("one"), Problem("two")])
    assert [item.message for item in error.problems] == ["one", "two"]
    assert str(error).splitlines() == ["line 1, column 1: one", "line 1, column 1: two"]


def test_names_are_compared_in_any_case_and_given_as_documented() -> None:
    assert nearest("NDIASOURCE", ["nDiaSources", "ra"]) == "Did you mean nDiaSources?"
    assert nearest("zzz", ["nDiaSources", "ra"]) == ""
