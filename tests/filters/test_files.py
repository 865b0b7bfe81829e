"""Filters in files: either form, with places that are those of the file."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.filters.errors import FilterError
from broker_assets.filters.files import read_definition, write_definition
from broker_assets.filters.form import Form

FILE = """-- a comment: of the author
selected:
  objects.diaObjectId,
  flux2mag(objects.g_psfFlux) AS gmag
tables: objects, watchlist:7
Conditions:
  -- bright
  gmag_ < 18 AND
  objects.decl > zz
"""


def test_sections_are_a_form() -> None:
    form = read_definition(FILE).form
    assert isinstance(form, Form)
    assert form.selected.split() == ["objects.diaObjectId,", "flux2mag(objects.g_psfFlux)", "AS", "gmag"]
    assert form.tables == "objects, watchlist:7"


def test_places_are_those_of_the_file() -> None:
    with pytest.raises(FilterError) as caught:
        read_definition(FILE).check()
    assert [(item.part, item.line, item.column) for item in caught.value.problems] == [
        ("conditions", 8, 3),
        ("conditions", 9, 18),
    ]
    with pytest.raises(FilterError) as caught:
        read_definition(FILE.replace("watchlist:7", "watchlist_7")).check()
    assert [(item.part, item.line, item.column) for item in caught.value.problems] == [("tables", 5, 18)]


def test_a_select_is_itself() -> None:
    text = "-- x\nSELECT ra\nFROM objects\n"
    assert read_definition(text).form == text
    assert read_definition(text).check().output == ("ra",)


def test_json_is_a_form() -> None:
    assert read_definition('{"selected": "ra", "conditions": "ra > 3"}').form == Form("ra", "objects", "ra > 3")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select: ra", "Did you mean selected?"),
        ("selected: ra\nselected: decl", "twice"),
        ("tables: objects", "no section selected"),
        ("{", "is not"),
        ('{"a": 1}', "texts for"),
        ('{"select": "ra"}', "Did you mean selected?"),
        ("x" * 50_000, "50000 characters"),
        ("[" * 30_000, "characters"),
        ("{" + '"a":{' * 5_000, "is not"),
    ],
)
def test_what_is_neither_is_refused(text: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        read_definition(text).check()
    assert said in str(caught.value)


@given(st.text(st.characters(codec="ascii"), max_size=300))
def test_any_text_gives_a_definition_or_an_error(text: str) -> None:
    with contextlib.suppress(FilterError):
        assert read_definition(text).check().output


def test_a_form_is_written_and_read_again() -> None:
    form = Form("ra", "objects, watchlist:3", "ra > 3\nORDER BY ra")
    assert read_definition(write_definition(form)).form == form
    assert read_definition(write_definition("SELECT ra FROM objects")).form == "SELECT ra FROM objects\n"
