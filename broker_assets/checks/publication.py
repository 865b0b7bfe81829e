"""Checks of published files: nothing is replaced by something worse, and receipts stay valid."""

import datetime
from collections.abc import Iterator, Mapping

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetKey,
    DagsterInstance,
    ResourceParam,
    asset_check,
)

from broker_assets.assets.published_files import ASSET, CHECK
from broker_assets.checks.definition import Verdict, newest_materialisations
from broker_assets.monitoring.telemetry.judgements import counted
from broker_assets.publication.days import DayState, sample_receipts
from broker_assets.publication.targets import DeliveryFailed, TargetAway
from broker_assets.resources.database import Database
from broker_assets.resources.publisher import Publisher

SHOWN = 20
"""Maximum number of files named in a verdict."""
SAMPLED = 4
"""Number of files of each target that are read back, different ones each time."""
RECEIPTS = "receipts_hold"


def held_of_day(state: DayState) -> Verdict:
    """Whether files of a day are held back.

    They stay held back regardless of this verdict: `broker_assets.publication` decides on each file before it is sent.
    """
    if not state.held:
        return Verdict(True, f"{len(state.receipts)} files at their targets, none held back")
    shown = "; ".join(f"{held.name} for {held.target}: {held.reason}" for held in state.held[:SHOWN])
    more = f"; and {len(state.held) - SHOWN} more" if len(state.held) > SHOWN else ""
    step = "Compare, then `broker-assets publish agree NAME` to deliver or refuse"
    text = f"{counted(len(state.held), 'file', 'is')} held back: {shown}{more}. {step}"
    return Verdict(False, text, AssetCheckSeverity.ERROR, {"held back": len(state.held)}, step)


def day_result(state: DayState) -> AssetCheckResult:
    """The verdict on a day, for the run that materialises it."""
    verdict = held_of_day(state)
    return verdict.result(CHECK)


def day_evaluations(
    instance: DagsterInstance, states: Mapping[datetime.date, DayState]
) -> Iterator[AssetCheckEvaluation]:
    """The verdicts on days that a publication run touched, each with the materialisation that was checked."""
    targets = newest_materialisations(instance, ASSET, [day.isoformat() for day in states])
    for day, state in states.items():
        verdict = held_of_day(state)
        # The check is blocking by definition; not here, where the run has not failed and reports other days too.
        yield verdict.evaluation(AssetKey(ASSET), CHECK, day.isoformat(), targets.get(day.isoformat()))


def receipts_hold(database: Database, publisher: Publisher, *, seed: str) -> Verdict:
    """Read back a sample of delivered files; an unavailable target is a warning, a changed file an error."""
    wrong: list[str] = []
    unavailable: list[str] = []
    read = 0
    for settings in publisher.archives:
        with database.transaction() as connection:
            receipts = sample_receipts(connection, settings.name, number=SAMPLED, seed=seed)
        if not receipts:
            continue
        try:
            with publisher.open(settings) as target:
                # Without this, a folder that is not mounted would look like one that has lost everything.
                target.check()
                for name, sha256 in receipts:
                    found = target.sha256(name)
                    read += 1
                    if found is None:
                        wrong.append(f"{name} is no longer at {settings.name}")
                    elif found != sha256:
                        wrong.append(f"{name} at {settings.name} differs from what was delivered")
        except (TargetAway, DeliveryFailed) as error:
            unavailable.append(str(error))
    numbers = {"files read back": read, "wrong": len(wrong)}
    if wrong:
        repair = "`broker-assets publish verify --repair` reads all files and lets the next run deliver lost ones again"
        text = "; ".join([*wrong[:SHOWN], *unavailable]) + f". {repair}"
        return Verdict(False, text, AssetCheckSeverity.ERROR, numbers, repair)
    if unavailable:
        return Verdict(
            False, "; ".join(unavailable), AssetCheckSeverity.WARN, numbers, "check the network and the target"
        )
    return Verdict(True, f"{read} files read back, all as they were delivered", metadata=numbers)


def build_receipts_check() -> AssetChecksDefinition:
    """The check as run by operators."""

    @asset_check(
        asset=AssetKey(ASSET),
        name=RECEIPTS,
        description="A sample of delivered files, read back from their targets, agrees with the receipts.",
    )
    def checked(database: ResourceParam[Database], publisher: ResourceParam[Publisher]) -> AssetCheckResult:
        verdict = receipts_hold(database, publisher, seed=datetime.datetime.now(datetime.UTC).isoformat())
        return verdict.result()

    return checked
