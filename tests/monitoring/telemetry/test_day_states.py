"""Days by state: the worst state of each file, months as tables."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from telemetry_records import Records

from broker_assets.database.engine import connect
from broker_assets.monitoring.telemetry.day_states import Cell, DayStates, day_states, first_day, month_of

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)
DAY = datetime.date(2026, 11, 27)


@pytest.mark.database
def test_every_file_has_its_worst_state(module_database_url: str, tmp_path: Path) -> None:
    records = Records(module_database_url, tmp_path, NOW)
    with connect(module_database_url) as connection:
        empty = day_states(connection, records.settings, NOW)
    assert empty.counts == {}
    assert empty.newest_month(NOW.date()) == "2026-11"
    for day in ("2026-11-24", "2026-11-27"):
        records.product("LB", day)
    levelb = "solo_LB_stix-ql-lightcurve_20261127_V02.fits"
    level0 = records.product("L0", "2026-11-27", parent=levelb)
    fine = records.product("L1", "2026-11-27", kind="ql-spectra", parent=level0, request=1)
    held = records.product("L1", "2026-11-27", parent=level0)
    wrong = records.product("L1", "2026-11-27", kind="ql-background", parent=level0)
    for name, status in ((held, "held"), (wrong, "error"), (fine, "published")):
        records.decision(f"L1/{name}", status)
    records.execute("UPDATE product_file SET code_version = 'old' WHERE level = 'L0'")
    records.file("a.xml", "processed")
    records.file("b.xml", "quarantined")
    records.file("c.xml", "staged")
    with connect(module_database_url) as connection:
        found = day_states(connection, records.settings, NOW)
    assert found.counts["L1", "quicklook", DAY] == {"held": 1, "failed": 1, "stale": 1}
    assert found.counts["L0", "quicklook", DAY] == {"stale": 1}
    assert "code old → " in found.stale[f"L0/{level0}"]
    # Packets of the days between are missing, and of the first day nothing was made.
    assert found.counts["LB", "quicklook", datetime.date(2026, 11, 25)] == {"waiting": 1}
    assert found.counts["L0", "quicklook", datetime.date(2026, 11, 24)] == {"waiting": 1}
    assert found.counts["TM", "telemetry files", NOW.date()] == {"complete": 1, "failed": 1, "waiting": 1}
    assert found.levels == ["TM", "LB", "L0", "L1"]
    assert found.families == ["quicklook", "telemetry files"]


def test_months_are_tables() -> None:
    states = DayStates(
        {
            ("L1", "quicklook", DAY): {"complete": 2, "failed": 1},
            ("L0", "quicklook", DAY): {"stale": 1},
            ("L0", "science", datetime.date(2026, 10, 1)): {"complete": 1},
            ("L0", "science", datetime.date(2136, 1, 1)): {"complete": 1},
        }
    )
    assert states.newest_month(NOW.date()) == "2026-11"
    month = month_of(states, "2026-11")
    assert (month.columns, month.total, month.before, month.after) == (
        ["quicklook", "science"], 4, "2026-10", "2026-12"
    )  # fmt: skip
    day, (both, none) = month.days[26]
    assert (day, both.worst, both.total, none.worst, none.parts) == (DAY, "failed", 4, None, [])
    assert both.said == "1 failed, 1 stale, 2 complete"
    assert sum(length for _, length in both.parts) == 20
    assert month_of(states, "2026-11", family="quicklook").columns == ["L0", "L1"]
    assert month_of(states, "2026-11", level="L1").total == 3
    assert month_of(states, "2026-12").total == 0


def test_proportions_fill_the_bar() -> None:
    for counts in ({"failed": 1}, {"failed": 1, "held": 1, "stale": 1}, {"complete": 10_000, "held": 1, "waiting": 2}):
        cell = Cell(DAY, counts)  # type: ignore[arg-type]
        assert sum(length for _, length in cell.parts) == 20
        assert all(length > 0 for _, length in cell.parts)
        # Each state has its part, and the most frequent one the longest.
        assert {state for state, _ in cell.parts} == counts.keys()
        lengths = {str(state): length for state, length in cell.parts}
        assert max(lengths.values()) - lengths[max(counts, key=lambda state: counts[state])] <= 1


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-1", "1900-01", "٢٠٢٦-11", "2026-11-01", "<b>"])
def test_what_is_not_a_month(text: str) -> None:
    with pytest.raises(ValueError, match=r"month"):
        first_day(text)
