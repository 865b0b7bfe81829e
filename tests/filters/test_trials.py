"""Trials that people ask for: queued, taken, cancelled, found again by their account alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from broker_assets.access import accounts
from broker_assets.access.refusals import BadSetting
from broker_assets.database import engine
from broker_assets.filters import trials
from broker_assets.filters.errors import FilterError
from broker_assets.filters.query import Form
from broker_assets.filters.trials import Cancelled, TooManyTrials, UnknownTrial

pytestmark = pytest.mark.database
ONE = "SELECT diaObjectId FROM objects"


@pytest.fixture
def connection(module_database_url: str) -> Iterator[Any]:
    with engine.connect(module_database_url, autocommit=True) as opened:
        opened.execute("TRUNCATE access.users, access.trials, access.memberships")
        yield opened


@pytest.fixture
def ann(connection: Any) -> accounts.User:
    return accounts.add(connection, "ann", None)


def test_a_trial_waits_runs_and_ends(connection: Any, ann: Any) -> None:
    number = trials.ask(connection, ann, ONE, nights=99, most_alerts=1000)
    assert (trials.get(connection, ann, number).state, trials.get(connection, ann, number).nights) == ("waiting", 30)
    taken = trials.take(connection)
    assert taken is not None
    assert (taken.trialid, taken.username, taken.state, taken.ended) == (number, "ann", "running", False)
    assert trials.take(connection) is None
    trials.progress(connection, number, "2025-11-20", 500)
    assert trials.get(connection, ann, number).alerts == 500
    trials.finish(connection, number, "done", "", {"nights": []})
    found = trials.get(connection, ann, number)
    assert (found.state, found.result, found.ended) == ("done", {"nights": []}, True)
    assert not trials.cancel(connection, ann, number)


def test_a_trial_is_its_accounts(connection: Any, ann: Any) -> None:
    bob = accounts.add(connection, "bob", None)
    number = trials.ask(connection, ann, ONE, filterid=3, version=1)
    with pytest.raises(UnknownTrial):
        trials.get(connection, bob, number)
    assert not trials.cancel(connection, bob, number)
    assert trials.of_account(connection, bob) == []
    assert [one.trialid for one in trials.of_account(connection, ann, filterid=3)] == [number]
    assert trials.of_account(connection, ann, unsaved=True) == []


def test_what_is_cancelled_stops_and_stays_cancelled(connection: Any, ann: Any) -> None:
    number = trials.ask(connection, ann, ONE)
    trials.take(connection)
    assert trials.cancel(connection, ann, number)
    with pytest.raises(Cancelled):
        trials.progress(connection, number, "2025-11-20", 1)
    trials.finish(connection, number, "done")
    assert trials.get(connection, ann, number).state == "cancelled"


def test_a_trial_whose_process_died_has_failed(connection: Any, ann: Any) -> None:
    number = trials.ask(connection, ann, ONE)
    trials.take(connection)
    connection.execute("UPDATE access.trials SET seen_at = now() - interval '5 minutes'")
    assert (trials.get(connection, ann, number).state) == "failed"
    trials.take(connection)
    assert "ask for it again" in trials.get(connection, ann, number).said


def test_few_trials_at_once_and_only_of_what_one_may_read(connection: Any, ann: Any) -> None:
    with pytest.raises(FilterError):
        trials.ask(connection, ann, "SELECT nothing FROM objects")
    with pytest.raises(BadSetting, match="watchlist 99"):
        trials.ask(connection, ann, Form("objects.ra", "objects, watchlist:99"))
    for _ in range(trials.MOST_WAITING):
        trials.ask(connection, ann, ONE)
    with pytest.raises(TooManyTrials, match="cancel one"):
        trials.ask(connection, ann, ONE)
