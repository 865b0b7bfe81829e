"""The limit of a batch, and the account of how filters ran."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest
from stored_filters import NIGHT, add_batch, add_run

from broker_assets.database import engine
from broker_assets.filters.runs import describe_night, limited, prune

LATER = NIGHT + datetime.timedelta(days=1)


def rows(*entries: tuple[int, datetime.date, int]) -> pa.Table:
    return pa.table(
        {
            "filterid": [entry[0] for entry in entries],
            "night": pa.array([entry[1] for entry in entries], pa.date32()),
            "diasourceid": [entry[2] for entry in entries],
        }
    )


def test_the_first_alerts_by_source_are_kept_of_each_filter_and_night() -> None:
    found = rows((1, NIGHT, 9), (1, NIGHT, 3), (1, NIGHT, 5), (1, LATER, 7), (2, NIGHT, 9))
    kept, over = limited(found, 2)
    assert sorted(map(tuple, (row.values() for row in kept.to_pylist()))) == [
        (1, NIGHT, 3), (1, NIGHT, 5), (1, LATER, 7), (2, NIGHT, 9),
    ]  # fmt: skip
    assert over == {(1, NIGHT): 1}
    assert limited(found, 5) == (found, {})
    assert limited(found.slice(0, 0), 0)[1] == {}


@pytest.mark.database
def test_a_night_is_described_and_old_ones_deleted(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        assert describe_night(connection, NIGHT.isoformat()) == {}
        batch = add_batch(connection)
        add_run(connection, batch, 1, 5, over=2)
        add_run(connection, batch, 2, problem="error")
        described = describe_night(connection, NIGHT.isoformat())
        assert described["most matches"] == {"filter 1": 5}
        assert (described["alerts beyond the limit of a batch"], described["runs with a problem"]) == (2, 1)
        assert prune(connection, before=NIGHT.isoformat()) == {"filter_matches": 0, "filter_runs": 0}
        assert prune(connection, before=LATER.isoformat()) == {"filter_matches": 0, "filter_runs": 2}
