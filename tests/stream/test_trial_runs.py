"""Trials run: what a filter would have passed, and its activation where it keeps to its quota."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from broker_assets.access import accounts
from broker_assets.database import engine
from broker_assets.filters import trials
from broker_assets.filters.registry import get_filter
from broker_assets.filters.store import FilterChanges, change_filter, create_filter, save_filter
from broker_assets.settings import DatabaseSettings, Settings, StreamSettings
from broker_assets.stream.trial_runs import TrialRunner, serve

pytestmark = pytest.mark.database
FEW = "SELECT diaObjectId, nDiaSources FROM objects WHERE nDiaSources > 1"


def test_trials_run_and_activate(broker: Any, packets: ModuleType, tmp_path: Any) -> None:
    times = [(0, 61000.2), (1, 61000.25), (2, 61001.2)]
    made = [packets.alert(number, times[: visit + 1]) for visit in range(3) for number in (1, 2, 3)]
    broker.drain(packets.ListSource.of([packets.encode(alert) for alert in made]))
    settings = Settings(
        home=tmp_path,
        database=DatabaseSettings(url=broker.database_url),
        streams=[StreamSettings(topic="alerts", survey="rubin", framing="confluent")],
    )
    runner = TrialRunner(settings, lambda _: broker.plan)
    with engine.connect(broker.database_url, autocommit=True) as connection:
        ann = accounts.add(connection, "ann", None)
        assert not runner.run_next()
        number = trials.ask(connection, ann, FEW, nights=2)
        assert runner.run_next()
        found = trials.get(connection, ann, number)
        assert (found.state, found.said) == ("done", "")
        assert found.result is not None
        assert [(night["night"], night["matches"]) for night in found.result["nights"]] == [
            ("2025-11-20", 3),
            ("2025-11-21", 3),
        ]
        assert found.result["nights"][0]["samples"][0]["nDiaSources"] == 2

        filterid = create_filter(connection, "ann", "few", FEW)
        change_filter(connection, "ann", filterid, FilterChanges(matches_per_night=2))

        save_filter(connection, "ann", filterid, FEW.replace("> 1", "> 2"))
        compared = trials.ask(connection, ann, FEW.replace("> 1", "> 2"), nights=2, filterid=filterid, version=2)
        assert runner.run_next()
        result = trials.get(connection, ann, compared).result
        assert result is not None
        assert [(night["gained"], night["lost"]) for night in result["nights"]] == [(0, 3), (0, 0)]
        save_filter(connection, "ann", filterid, FEW)

        def activate(version: int = 3) -> trials.Trial:
            trial = trials.ask(connection, ann, FEW, filterid=filterid, version=version, activates=True)
            assert runner.run_next()
            return trials.get(connection, ann, trial)

        refused = activate()
        assert refused.state == "refused"
        assert "passes 3 of the 3 alerts" in refused.said
        assert not get_filter(connection, filterid).active
        change_filter(connection, "ann", filterid, FilterChanges(matches_per_night=3))
        assert activate(version=2).said == "the filter was changed meanwhile; activate it again"
        assert activate().state == "done"
        assert get_filter(connection, filterid).active

        cancelled = trials.ask(connection, ann, FEW)
        trials.cancel(connection, ann, cancelled)
        assert not runner.run_next()
        serve(settings, lambda _: broker.plan, linger=0.0)
