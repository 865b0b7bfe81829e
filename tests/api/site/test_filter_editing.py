"""The editor: what is wrong and where, what is kept, and every table and column."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.filters.schema import TABLES

pytestmark = pytest.mark.database
BAD = "selected:\n  objects.diaObjectId, flux2mg(objects.g_psfFlux) AS m\ntables: objects\n"


def test_errors_have_line_column_and_the_nearest_name(people: Any) -> None:
    part = people.ann.send("/filters/check/", text=BAD).text
    assert "<html" not in part
    assert 'data-line="2" data-column="24"' in part
    assert "there is no function flux2mg" in part
    assert "Did you mean flux2mag?" in part
    assert "✓" in people.ann.send("/filters/check/", text=BAD.replace("2mg", "2mag")).text


def test_without_scripts_a_button_checks_and_nothing_that_was_typed_is_lost(people: Any) -> None:
    for fields, code in (({"do": "check"}, 200), ({"do": "save"}, 422)):
        answer = people.ann.send("/filters/create/", text=BAD, name='"><script>x', **fields)
        assert answer.status_code == code
        assert "flux2mg(objects.g_psfFlux)" in answer.text
        assert "line 2, column 24" in answer.text
        assert "<script>x" not in answer.text
    good = BAD.replace("2mg", "2mag")
    assert "Accepted" in people.ann.send("/filters/create/", text=good, name="x", do="check").text
    path = people.ann.done("/filters/create/", text=good, name="x", do="save").partition("?")[0]
    assert "already has a filter" in people.ann.send("/filters/create/", text=good, name="X").text
    assert "line 2, column 24" in people.ann.send(f"{path}update/", text=BAD).text
    assert "flux2mag" in people.ann.text(f"{path}update/")
    assert "watchlist 99" in people.ann.send("/filters/check/", text="selected: ra\ntables: objects, watchlist:99").text


def test_the_editor_shows_every_table_and_column(people: Any) -> None:
    page = people.ann.text("/filters/create/")
    for table in TABLES.values():
        for column in table.columns.values():
            assert f'data-insert="{table.name}.{column.documented}"' in page
    assert people.guest.get("/filters/create/").status_code == 302


def test_an_account_has_a_quota_of_filters(people: Any) -> None:
    people.connection.execute(
        "INSERT INTO filters (owner, name, version) SELECT 'eve', 'f' || n, 1 FROM generate_series(1, 100) AS n"
    )
    answer = people.eve.send("/filters/create/", text="SELECT ra FROM objects", name="one more")
    assert answer.status_code == 422
    assert "you have 100 of 100 filters" in answer.text
