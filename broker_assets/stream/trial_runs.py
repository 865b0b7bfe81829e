"""Runs the trials of filters that users requested, one after the other, in a process of its own.

Before a filter is activated, it is tried on the newest nights, and refused if it passes more than its quota.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from typing import Any, Final

import psycopg

from broker_assets.access import changes
from broker_assets.access.refusals import BadSetting
from broker_assets.database.engine import connect
from broker_assets.filters import trials
from broker_assets.filters.errors import FilterError
from broker_assets.filters.registry import FilterVersion, get_filter, version_of
from broker_assets.filters.store import FilterChanges, change_filter, require_readable
from broker_assets.filters.trials import Cancelled, Trial
from broker_assets.sentences import sentence
from broker_assets.settings import Settings
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.filter_trials import NightTrial, TooMany, Trials, later_lists, require_quota

log = logging.getLogger(__name__)

LINGER_SECONDS: Final = 20.0
"""Seconds for which the process waits for another trial before it ends, so that the next one begins at once."""
_LOOK_SECONDS: Final = 0.5
_SAY_SECONDS: Final = 1.0


def serve(settings: Settings, plan: Callable[[Settings], EnrichmentPlan], linger: float = LINGER_SECONDS) -> None:
    """Run trials until none has come for some time; the whole life of the process."""
    with contextlib.suppress(OSError):
        os.nice(5)
    runner = TrialRunner(settings, plan)
    idle = time.monotonic()
    while time.monotonic() - idle < linger:
        if runner.run_next():
            idle = time.monotonic()
        else:
            time.sleep(_LOOK_SECONDS)


class TrialRunner:
    """Runs trials; keeps what is expensive to set up.

    Parameters
    ----------
    settings : Settings
        `database.access_url`, or `database.url`, writes; `database.reader_url`, or `database.url`, reads.
    plan : callable
        Makes the plan of all enrichments, when the first trial needs it.
    """

    def __init__(self, settings: Settings, plan: Callable[[Settings], EnrichmentPlan]) -> None:
        database = settings.database
        writes, reads = database.access_url or database.url, database.reader_url or database.url
        if writes is None or reads is None:
            raise LookupError("no database is configured: set BROKER_DATABASE__URL")
        self._settings = settings
        self._writes, self._reads = writes.get_secret_value(), reads.get_secret_value()
        self._make_plan = plan
        self._plan: EnrichmentPlan | None = None

    def run_next(self) -> bool:
        """Run the trial that has waited longest; return whether there was one."""
        with connect(self._writes, application="broker-assets trial", autocommit=True) as connection:
            trial = trials.take(connection)
            if trial is None:
                return False
            try:
                self._run(connection, trial)
            except Cancelled:
                log.info("trial %d was cancelled", trial.trialid)
            except (ValueError, LookupError, PermissionError) as error:
                trials.finish(connection, trial.trialid, "failed", str(error))
            except Exception as error:
                log.exception("trial %d failed", trial.trialid)
                trials.finish(connection, trial.trialid, "failed", f"it failed: {type(error).__name__}")
        return True

    def _run(self, connection: psycopg.Connection[Any], trial: Trial) -> None:
        version = FilterVersion(trial.filterid or 0, trial.version or 0, trial.definition, trial.username, "")
        query = version.query()
        require_readable(connection, trial.username, query)
        if self._plan is None:
            self._plan = self._make_plan(self._settings)
        said = time.monotonic()
        night = ""

        def say(alerts: int) -> None:
            nonlocal said
            if time.monotonic() - said >= _SAY_SECONDS:
                said = time.monotonic()
                trials.progress(connection, trial.trialid, night, alerts)

        surveys = {stream.name: stream.survey for stream in self._settings.streams}
        versions = [version, *_before(connection, trial)]
        past = Trials(self._reads, surveys, self._plan, trial.most_alerts, trial.lists_now, say)
        found: list[NightTrial] = []
        chosen = past.newest(trial.nights)
        for night in chosen:
            trials.progress(connection, trial.trialid, night, 0)
            found.append(past.over(night, versions))
        result: dict[str, Any] = {
            "nights": [_document(one) for one in found],
            "later lists": later_lists(connection, query, chosen) if chosen else [],
        }
        quota = self._settings.filters.matches_per_night
        if trial.filterid is not None:
            quota = get_filter(connection, trial.filterid).matches_per_night or quota
        result["quota"] = quota
        try:
            for one in found:
                require_quota(trial.filterid or 0, one, quota)
        except TooMany as error:
            state, text = ("refused", sentence(error)) if trial.activates else ("done", "")
            trials.finish(connection, trial.trialid, state, text, result)  # type: ignore[arg-type]
            return
        if trial.activates and trial.filterid is not None:
            _activate(connection, trial)
        trials.finish(connection, trial.trialid, "done", "", result)


def _before(connection: psycopg.Connection[Any], trial: Trial) -> list[FilterVersion]:
    """The version before the one that is tried, if its owner may still run it."""
    if trial.filterid is None or trial.version is None or trial.version < 2:
        return []
    earlier = version_of(connection, trial.filterid, trial.version - 1)
    try:
        require_readable(connection, trial.username, earlier.query())
    except (FilterError, BadSetting):
        return []
    return [earlier]


def _activate(connection: psycopg.Connection[Any], trial: Trial) -> None:
    """Activate the filter that was tried, if it is still the version that was tried."""
    if trial.filterid is None:
        return
    if get_filter(connection, trial.filterid).version != trial.version:
        raise ValueError("the filter was changed meanwhile; activate it again")
    change_filter(connection, trial.username, trial.filterid, FilterChanges(active=True))
    changes.record(connection, trial.userid, "filter activated", str(trial.filterid), f"version {trial.version}")


def _document(trial: NightTrial) -> dict[str, Any]:
    passed = trial.passed[0]
    before = trial.passed[1].alerts if len(trial.passed) > 1 else None
    return {
        "night": trial.night,
        "alerts": trial.alerts,
        "complete": trial.complete,
        "matches": len(passed.alerts),
        "bytes": passed.bytes,
        "samples": [json.loads(line) for line in passed.samples],
        "problems": passed.problems,
        "seconds": round(trial.seconds, 2),
        # Alerts that only one of the two versions passes.
        "gained": None if before is None else len(passed.alerts - before),
        "lost": None if before is None else len(before - passed.alerts),
    }
