"""Checks of delivery: messages leave in time, and there are no dead letters."""

from functools import partial

from dagster import AssetCheckResult, AssetChecksDefinition, AssetCheckSeverity, ResourceParam, asset_check

from broker_assets.checks.definition import Evidence, Verdict, advised, evidence
from broker_assets.delivery.backlog import Backlog, backlog
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings import Settings

ASSET = "deliveries"
BACKLOG, DEAD = "backlog", "dead_letters"
_NEXT = {
    BACKLOG: "see which sinks fail, and why, with `broker-assets delivery backlog`",
    DEAD: "see them with `broker-assets delivery dead-letters list`, then retry or dismiss them",
}


def judge_backlog(found: Backlog, late_seconds: float) -> Verdict:
    """Whether no message has been due for longer than `late_seconds`."""
    numbers = {"waiting": found.waiting, "due": found.due, "oldest due, s": found.oldest_due, "failing": found.failing}
    if found.oldest_due <= late_seconds:
        return Verdict(True, f"{found.waiting} messages wait, {found.due} of them are due", metadata=numbers)
    text = (
        f"{found.due} messages are due, the oldest for {found.oldest_due / 60:.0f} minutes; {found.failing} sinks fail"
    )
    return Verdict(False, text, AssetCheckSeverity.WARN, numbers)


def judge_dead_letters(found: Backlog) -> Verdict:
    """Whether there are no dead letters."""
    text = f"{found.dead} dead letters, {found.over_quota} messages over quota in the last nights"
    numbers = {"dead letters": found.dead, "over quota": found.over_quota}
    return Verdict(found.dead == 0, text, AssetCheckSeverity.WARN, numbers)


def judged(settings: Settings, name: str, found: Evidence) -> Verdict:
    """The verdict of a check."""
    now = backlog(found.driver)
    verdict = judge_backlog(now, settings.delivery.late_minutes * 60.0) if name == BACKLOG else judge_dead_letters(now)
    return advised(verdict, _NEXT[name])


def build_delivery_checks(settings: Settings) -> list[AssetChecksDefinition]:
    """The checks."""
    return [
        _check(settings, BACKLOG, "No message has been due for longer than the settings allow."),
        _check(settings, DEAD, "There are no dead letters that nobody has looked at."),
    ]


def _check(settings: Settings, name: str, description: str) -> AssetChecksDefinition:
    judge = partial(judged, settings, name)

    @asset_check(asset=ASSET, name=name, description=description)
    def checked(database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]) -> AssetCheckResult:
        with evidence(database, object_store) as found:
            return judge(found).result()

    return checked
