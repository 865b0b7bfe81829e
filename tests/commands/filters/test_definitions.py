"""What the commands of filters read."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from broker_assets.commands.filters.definitions import parse_range, read_form, refuse_unreadable
from broker_assets.filters.query import FilterError, Form


def test_a_definition_is_a_select_or_a_form(tmp_path: Path) -> None:
    file = tmp_path / "filter"
    file.write_text("SELECT ra FROM objects\n")
    assert read_form(file) == "SELECT ra FROM objects\n"
    file.write_text(' {"selected": "objects.ra", "conditions": "objects.ra > 1"}')
    assert read_form(file) == Form("objects.ra", conditions="objects.ra > 1")
    file.write_text('{"selected": 1, "nonsense": 2}')
    with pytest.raises(FilterError, match="selected, tables and conditions"):
        read_form(file)
    file.write_bytes(b"SELECT \xff")
    with pytest.raises(typer.BadParameter, match="UTF-8"):
        read_form(file)


@pytest.mark.parametrize("text", ["yesterday", "2025-10-02:2025-10-01", "2025-10-01:", ":"])
def test_ranges_that_are_none(text: str) -> None:
    if text == "2025-10-01:":
        assert parse_range(text) == ("2025-10-01", "2025-10-01")
        return
    with pytest.raises(typer.BadParameter):
        parse_range(text)


def test_what_may_not_be_read_is_refused() -> None:
    refuse_unreadable([], "ann")
    with pytest.raises(PermissionError, match="area 3: there is none that ann may read"):
        refuse_unreadable(["area 3"], "ann")
