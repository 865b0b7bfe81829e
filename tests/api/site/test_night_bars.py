"""Places of bars."""

from __future__ import annotations

from broker_assets.api.site.night_bars import HEIGHT, WIDTH, night_chart


def test_bars_stay_within_the_drawing_and_begin_at_zero() -> None:
    nights = [(f"2025-11-{day:02d}", day * day, day % 2 == 0) for day in range(1, 31)]
    chart = night_chart(nights, quota=1000)
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in chart.bars)
    assert all(round(bar.y + bar.height, 1) == chart.bottom for bar in chart.bars)
    assert all(bar.y >= chart.top for bar in chart.bars)
    assert chart.quota_y is not None
    assert 1 <= sum(bar.labelled for bar in chart.bars) <= 8
    assert chart.bars[0].partly


def test_a_far_quota_and_an_empty_chart_need_no_room() -> None:
    assert night_chart([("a", 3, True)], quota=100_000).quota_y is None
    empty = night_chart([])
    assert (empty.bars, empty.highest, empty.height) == ([], 1, HEIGHT)
    assert night_chart([("a", 0, True)]).bars[0].height == 0
