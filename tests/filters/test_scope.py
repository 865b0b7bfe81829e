"""Names of columns: any case, with or without their table, and what was meant."""

from __future__ import annotations

import pytest

from broker_assets.filters.query import FilterError, Form, check

JOINED = "FROM objects AS o JOIN sherlock_classifications s ON o.diaObjectId = s.diaObjectId"


def test_columns_are_found_in_any_case_and_named_as_documented() -> None:
    query = check(f"SELECT DIAOBJECTID, o.NDIASOURCES, s.Z, classification {JOINED}")
    assert query.output == ("diaObjectId", "nDiaSources", "z", "classification")
    assert query.columns["sherlock_classifications"] == {"diaobjectid", "z", "classification"}


def test_a_column_of_several_tables_is_that_of_objects() -> None:
    assert '"o"."diaobjectid" AS "diaObjectId"' in check(f"SELECT diaObjectId {JOINED}").duckdb()


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("objects.ra", "no table objects"),
        ("s.zz", "sherlock_classifications has no column zz"),
        ("s.photoz_err", "Did you mean photoZErr?"),
        ("raa", "has a column raa"),
    ],
)
def test_others_are_refused(column: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        check(f"SELECT {column} {JOINED}")
    assert said in str(caught.value)


def test_objects_may_have_its_former_name_before_a_dot() -> None:
    form = Form("objects_ext.diaObjectId, objects.ra", "objects_ext", "objects_ext.decl > 1 ORDER BY objects_ext.ra")
    assert check(form).columns == {"objects": {"diaobjectid", "ra", "decl"}}
    assert check(Form("objects_ext.*", "objects_ext")).output == check(Form("objects.*", "objects")).output


def test_a_column_of_several_other_tables_needs_its_table() -> None:
    with pytest.raises(FilterError, match=r"Write s.z or t.z"):
        check(f"SELECT z {JOINED} JOIN crossmatch_tns t ON t.diaObjectId = o.diaObjectId")


def test_names_of_selected_values_may_be_sorted_by() -> None:
    query = check("SELECT ra / 15 AS hours FROM objects HAVING hours > 3 ORDER BY hours")
    assert query.clauses[0].text == "hours > 3"
    assert query.clauses[0].columns == ("objects.ra",)
    with pytest.raises(FilterError, match="hours"):
        check("SELECT ra / 15 AS hours FROM objects WHERE hours > 3")
