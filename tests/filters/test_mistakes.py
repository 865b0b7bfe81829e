"""Messages name the mistake, not only the place where the parser stopped."""

from __future__ import annotations

import re

import pytest

from broker_assets.filters.form import Form
from broker_assets.filters.lexicon import tokens
from broker_assets.filters.mistakes import former, meant
from broker_assets.filters.query import FilterError, check
from broker_assets.filters.schema import TABLES

MISTAKES = [
    ("ra > 3 && decl < 4", "Write AND between conditions"),
    ("ra > 3 || decl < 4", "OR between conditions"),
    ("!(ra > 3)", "Write NOT before a condition"),
    ("ra ^ 2 > 3", "power(x, 2)"),
    ("ra ** 2 > 3", "power(x, 2)"),
    ("tns_name ~ '^2025'", "REGEXP"),
    ("ra::float > 3", "CAST(x AS DOUBLE)"),
    ("ra IN [1, 2]", "list in parentheses"),
    ("ra = @limit", "no variables"),
    ("ra = :limit", "no parameters"),
    ("ra => 3", "Write >= for =>"),
    ("ra =< 3", "Write <= for =<"),
    ("ra > = 3", "Write >= for >="),
    ("ra ≥ 3", "It looks like >=; write that"),
    ("ra ≠ 3", "It looks like <>; write that"),
    ("ra > −3", "It looks like -; write that"),
    ("tns_name = ‘2025abc’", "It looks like '; write that"),
    ("ra >\u00a03", "ordinary space"),
    ("ra BETWEEN 3, 5", "BETWEEN low AND high"),
    ("3 < ra < 5", "ra > 3 AND ra < 5"),
    ("tns_name IN 'a', 'b'", "in parentheses. Example: x IN"),
    ("ra > 3 AND", "A condition is missing after AND"),
    ("AND ra > 3", "A condition is missing after WHERE"),
    ("ra > 3 AND (decl > 4 OR )", "A condition is missing after OR"),
    ("ra > 3, decl < 5", "Write AND between conditions"),
    ("ra > 3,5", "a point in decimal numbers"),
    ("ra > 3 decl < 5", "Between 3 and decl"),
    ("ra > 10 degrees", "Between 10 and degrees"),
    ("ra > 3 XOR decl > 3", "(a AND NOT b) OR (b AND NOT a)"),
    ("tns_name CONTAINS 'a'", "LIKE '%text%'"),
    ("ra > 3 ODRER BY ra", "Did you mean ORDER for ODRER"),
    ("lastDiaSourceMjdTai > '2026-01-01'", "mjd('2026-01-31')"),
    ("classification = 'SN'", "It is a column of sherlock_classifications and of annotations"),
    ("sherlock_classifications.z > 1", "Add sherlock_classifications to FROM"),
    ("fink.classification = 'SN'", "annotations AS fink"),
    ("jdnow() - 3 > 0", "mjdnow()"),
]


@pytest.mark.parametrize(("condition", "said"), MISTAKES)
def test_a_message_says_what_is_meant(condition: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        check(f"SELECT diaObjectId FROM objects WHERE {condition}")
    assert said in str(caught.value)
    assert "sqlglot" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT diaObjectId FORM objects", "Did you mean FROM for FORM"),
        ("SELECT diaObjectId FROM objects WERE ra > 3", "Did you mean WHERE for WERE"),
        ("SELECT TOP 10 diaObjectId FROM objects", "limits are options of the run"),
        ("SELECT ra AS select FROM objects", "select is a word of SQL"),
        ("SELECT diaObjectId ra FROM objects", "column 20: ra is a column; is a comma missing"),
        ("SELECT objects.diaObjectId, ra + 1\ndecl FROM objects", "line 2, column 1: decl is a column"),
        ("SELECT diaObjectId, ra + 1 AS a FROM objects WHERE a > 3", "a is the name of a selected value"),
        ("SELECT candidates.magpsf FROM objects, candidates", "not a table of filters"),
    ],
)
def test_mistakes_outside_the_conditions(text: str, said: str) -> None:
    with pytest.raises(FilterError, match=re.escape(said)):
        check(text)


def test_a_missing_comma_is_found_in_the_form_too() -> None:
    with pytest.raises(FilterError) as caught:
        check(Form("objects.diaObjectId\nra", "objects", "ra > 3"))
    (problem,) = caught.value.problems
    assert (problem.part, problem.line, problem.column) == ("selected", 2, 1)
    assert "comma" in problem.message


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT diaObjectId, ra AS decl FROM objects", ("diaObjectId", "decl")),
        ("SELECT diaObjectId, objects.ra ra FROM objects", ("diaObjectId", "ra")),
        ("SELECT diaObjectId, flux2mag(g_psfFlux) gmag FROM objects", ("diaObjectId", "gmag")),
        ("SELECT diaObjectId, ra + 1 AS a FROM objects HAVING a > 3 ORDER BY a", ("diaObjectId", "a")),
        ("SELECT diaObjectId, ra\n  as\n  decl FROM objects", ("diaObjectId", "decl")),
    ],
)
def test_names_that_are_meant_are_accepted(text: str, names: tuple[str, ...]) -> None:
    assert check(text).plan.output == names


FORMER = [
    "objectId", "ncand", "ncandgp", "ramean", "decmean", "gmag", "rmag", "maggmin", "magrmean", "mag_g02", "dmdt_g",
    "jdmin", "jdmax", "jdgmax", "jdrmax", "glatmean", "g_minus_r", "sgscore1", "ssnamenr",
]  # fmt: skip


@pytest.mark.parametrize("name", FORMER)
def test_names_of_the_former_schema_lead_to_columns_that_exist(name: str) -> None:
    with pytest.raises(FilterError) as caught:
        check(f"SELECT objects.{name} FROM objects")
    said = str(caught.value)
    assert former(name) in said
    written = re.findall(r"objects\.([A-Za-z_]+)", former(name))
    assert all(column.lower() in TABLES["objects"].columns for column in written), written
    tables = re.findall(r"\b(sherlock_classifications|sssources|area_hits)\b", former(name))
    assert written or tables or name == "objectId"


@pytest.mark.parametrize("cut", range(3, 64, 4))
def test_no_place_of_any_text_fails(cut: int) -> None:
    text = "SELECT ra, decl FROM objects WHERE ra BETWEEN 3 AND 5 AND NOT (decl IN (1, 2))"
    found = [token for token in tokens(text) if token.start < cut]
    for at in range(0, cut + 2):
        assert isinstance(meant(found, at), str)
