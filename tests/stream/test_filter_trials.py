"""Filters tried on past nights: as of their batches, or with the lists of today; nothing is written."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.filters.matching import FilterMatches
from broker_assets.filters.query import Form
from broker_assets.filters.registry import FilterVersion, write_definition
from broker_assets.sky.lists import create_watchlist
from broker_assets.sky.matching import SkyMatching
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.filter_trials import TooMany, Trials, later_lists, require_quota

pytestmark = pytest.mark.database
NIGHT = "2025-11-20"


def version(form: Form | str, number: int = 1) -> FilterVersion:
    """A version that is not stored."""
    return FilterVersion(0, number, write_definition(form), "ann", "trial")


@pytest.fixture
def trials(broker: Any, packets: ModuleType) -> Trials:
    """Two nights with alerts of three objects, the first with one of them twice."""
    times = [(0, 61000.2), (1, 61000.25), (2, 61001.2)]
    made = [packets.alert(number, times[: visit + 1]) for visit in range(3) for number in (1, 2, 3)]
    made[0]["diaObject"] |= {"ra": 10.0, "dec": 10.0}
    values = [packets.encode(alert) for alert in made]
    broker.drain(packets.ListSource.of([*values, values[0]]))
    return Trials(broker.database_url, {"alerts": "rubin"}, broker.plan)


def test_versions_are_tried_and_compared_without_writing(broker: Any, trials: Trials) -> None:
    before = {table: broker.rows(table) for table in ("filter_matches", "filter_runs", "ingest_batch", "objects")}
    few = version("SELECT diaObjectId FROM objects WHERE nDiaSources > 1")
    many = version("SELECT diaObjectId, nDiaSources FROM objects WHERE nDiaSources > 0", 2)
    assert trials.nights("2025-11-01", "2025-11-30") == [NIGHT, "2025-11-21"]
    assert trials.newest(1) == ["2025-11-21"]
    seen: list[int] = []
    watched = Trials(trials.database_url, trials.surveys, trials.plan, progress=seen.append)
    trial = watched.over(NIGHT, [few, many])
    assert (trial.alerts, trial.complete, seen[-1]) == (6, True, 6)  # the packet that came twice counts once
    first, second = trial.passed
    assert (len(first.alerts), len(second.alerts)) == (3, 6)
    assert first.alerts < second.alerts
    assert second.bytes == 6 * len('{"diaObjectId": 1, "nDiaSources": 1}')
    assert len(second.samples) == 5
    assert not first.problems
    assert {table: broker.rows(table) for table in before} == before
    require_quota(1, trial, 3)
    with pytest.raises(TooMany, match=r"filter 1 passes 3 of the 6 alerts of the night 2025-11-20.*1\.5 times"):
        require_quota(1, trial, 2)


def test_lists_count_as_they_were_or_as_they_are(broker: Any, trials: Trials) -> None:
    with engine.connect(broker.database_url) as connection:
        number = create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10"]), radius=5.0)
    form = version(Form("objects.diaObjectId", f"objects, watchlist:{number}"))
    assert len(trials.over(NIGHT, [form]).passed[0].alerts) == 0
    now = Trials(trials.database_url, trials.surveys, trials.plan, lists_now=True)
    assert len(now.over(NIGHT, [form]).passed[0].alerts) == 1
    with engine.connect(broker.database_url) as connection:
        assert later_lists(connection, form.query(), [NIGHT]) == [f"watchlist {number}"]
        assert later_lists(connection, version("SELECT ra FROM objects").query(), [NIGHT]) == []
        assert later_lists(connection, form.query(), ["2001-01-01"]) == []


def test_alerts_are_counted_clause_by_clause(broker: Any, trials: Trials) -> None:
    with engine.connect(broker.database_url) as connection:
        connection.execute("DELETE FROM filter_matches")
        connection.commit()
    form = version("SELECT diaObjectId FROM objects WHERE nDiaSources > 1 AND diaObjectId < 3 AND diaObjectId > 1")
    found = trials.survivors(NIGHT, form)
    assert (found.alerts, found.alone, found.left) == (6, [3, 4, 4], [3, 2, 1])
    assert [clause.text for clause in found.clauses] == ["nDiaSources > 1", "diaObjectId < 3", "diaObjectId > 1"]


def test_a_limit_ends_after_a_file_and_says_so(broker: Any, trials: Trials, packets: ModuleType) -> None:
    late = packets.alert(9, [(1, 61000.26)])
    source = packets.ListSource.of([packets.encode(late)])
    source.append(0, packets.encode(packets.alert(8, [(1, 61000.26)])))
    broker.execute("DELETE FROM stream_offset")
    broker.drain(source)
    limited = Trials(trials.database_url, trials.surveys, trials.plan, limit=1)
    trial = limited.over(NIGHT, [version("SELECT diaObjectId FROM objects")])
    assert not trial.complete
    assert trial.alerts == 6


class WritingFilters(FilterMatches):
    """Filters that write while they run."""

    def run(self, batch: Any, *arguments: Any, **options: Any) -> Any:
        """Delete what there is."""
        batch.connection.execute("DELETE FROM objects")
        return super().run(batch, *arguments, **options)


def test_nothing_can_be_written_by_a_trial(trials: Trials) -> None:
    others = [item for item in trials.plan.enrichments if not isinstance(item, FilterMatches)]
    sky = next(item for item in others if isinstance(item, SkyMatching))
    filters = WritingFilters(sky.matches, trials.filters.sandbox)
    writing = Trials(trials.database_url, trials.surveys, EnrichmentPlan([*others, filters]))
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        writing.over(NIGHT, [version("SELECT diaObjectId FROM objects")])
