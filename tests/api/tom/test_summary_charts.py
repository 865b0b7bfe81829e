"""Charts of the pages of the campaigns."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import first_campaign
import pytest

from broker_assets.api.tom.summary_charts import CELL, MOST, charts_of
from broker_assets.database import engine
from broker_assets.tom.first_campaign.summaries import FIRST, SECOND, Drawing, Summary
from broker_assets.tom.first_campaign.views import refresh


def test_every_page_is_drawn_from_columns_that_it_has() -> None:
    for page in (*FIRST.values(), *SECOND.values()):
        assert page.drawing is not None
        used = {page.drawing.value, page.drawing.x, *page.drawing.of} | (
            {page.drawing.y} if page.drawing.y is not None else set()
        )
        assert used <= set(range(len(page.headings)))


def test_bars_are_in_the_order_of_time_and_apart_by_broker() -> None:
    day = datetime.date(2023, 1, 5)
    rows = [("a", day + datetime.timedelta(1), 1, Decimal("20.4")), ("a", day, 1, 10), ("b", day, 1, None)]
    first, second = charts_of(FIRST["brokerstreamgraphs"], rows)
    assert first.bars is not None
    assert [(bar.name, bar.value) for bar in first.bars.bars] == [("2023-01-05", 10), ("2023-01-06", 20)]
    assert (first.title, first.text) == ("a", "Classifications by Day (UTC)")
    assert second.bars is not None
    assert second.bars.bars == []


def test_cells_are_shaded_by_their_share() -> None:
    rows = [("c", 112, 111, 1, Decimal(100)), ("c", 111, 111, 2, Decimal(50)), ("c", 111, None, 2, Decimal(50))]
    [chart] = charts_of(FIRST["latestconfmatrix"], rows)
    assert chart.cells is not None
    assert (chart.cells.rows, chart.cells.columns) == (["111", "112"], ["111", "–"])
    assert [(cell.x, cell.y, cell.shade) for cell in chart.cells.cells] == [(0, CELL, 1.0), (0, 0, 0.5), (CELL, 0, 0.5)]
    assert chart.cells.cells[0].text == "True class 112, Reported class 111: 100"


def test_nothing_is_drawn_of_nothing_and_not_too_much() -> None:
    page = Summary("t", ("a", "b", "c"), "", drawing=Drawing(2, 1, of=(0,)))
    assert charts_of(page, []) == charts_of(Summary("t", ("a",), ""), [(1,)]) == []
    assert len(charts_of(page, [(number, 1, 1) for number in range(MOST + 5)])) == MOST


@pytest.mark.database
def test_pages_show_their_charts(own_site: str, database_url: str, log_in: Callable[[str, str], Any]) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        with connection.transaction():
            first_campaign.fill(connection)
        refresh(connection)
    truth = log_in(own_site, "truth")
    for name, shown in (
        ("latestconfmatrix", "<title>True class 111, Reported class 112: 100.0</title>"),
        ("probvsclassandt", "<title>Class 111, Days from the peak 10 to 15: 0.925</title>"),
        ("brokerstreamgraphs", '<title>2023-01-05: 50</title><rect class="bar"'),
    ):
        page = truth.get(f"elasticc/{name}")
        assert page.status_code == 200
        assert shown in page.text
