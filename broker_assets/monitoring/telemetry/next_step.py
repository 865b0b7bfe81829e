"""What comes next for a telemetry file, and what it waits for: one line.

The answer comes from provenance: the first level of a family and day that is not made, or not from the current inputs.
What starts it (a job, automation, an operator) is named, but whether it is running at the moment is not known here.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import psycopg
from pydantic import BaseModel

from broker_assets.provenance import versions
from broker_assets.publication.delivery_status import TargetState
from broker_assets.telemetry.archive.day_products import (
    EMPTY_DAY,
    LEVELS,
    MADE_FROM,
    asset_name,
    level_and_family,
    packets_of,
)
from broker_assets.telemetry.archive.due_products import AGE, ANCILLARY, PICTURES
from broker_assets.telemetry.archive.input_versions import CONFIGURATION, DATABASE, FLOWN, KERNELS, PLAN, REQUESTS
from broker_assets.telemetry.reception.register import Entry

FamilyDay = tuple[str, datetime.date]

_MISSING: Final = {
    KERNELS: "no SPICE kernel covers the day yet",
    DATABASE: "no instrument database is valid on the day",
    CONFIGURATION: "the instrument configuration has no version for the day",
    REQUESTS: "there is no table of science requests",
    PLAN: "there is no observation plan",
}
"""Reasons why an input has no version for a day."""
_BY_AUTOMATION: Final = "the sensor automation, which starts it within a minute"
_BY_SCHEDULE: Final = "the schedule publish_due, which runs hourly"
_OF_STATE: Final = {
    "new": "the job ingest_telemetry, which starts when the file no longer changes",
    "staging": "the job ingest_telemetry, which is copying it",
    "staged": "the job ingest_telemetry, which has copied it",
    "failed": "the next try of the job ingest_telemetry",
    "quarantined": "an operator: `broker-assets telemetry files retry`",
    "gone": "the file, which was removed from its folder before it was read",
    "dismissed": "nothing: an operator gave it up",
}
"""What a file whose packets are not yet in the packet store waits for, by its state."""


class NextStep(BaseModel):
    """The next step of a family and day."""

    what: str
    """Level and family, or delivery."""
    day: datetime.date
    waits_for: str

    @property
    def line(self) -> str:
        """The step as a line.

        Examples
        --------
        >>> NextStep(what="L1 quicklook", day="2026-11-28", waits_for="the sensor automation").line
        'L1 quicklook of 2026-11-28 waits for the sensor automation'
        """
        return f"{self.what} of {self.day} waits for {self.waits_for}"


def chain(family: str) -> tuple[str, ...]:
    """Assets that are made from packets of a family, in processing order.

    Examples
    --------
    >>> chain("housekeeping")
    ('lb_housekeeping', 'l0_housekeeping', 'l1_housekeeping', 'l2_auxiliary')
    """
    first = tuple(asset_name(level, family) for level in LEVELS[:-1])
    return first + tuple(asset for asset in MADE_FROM if asset.startswith("l2_") and packets_of(asset) == family)


def next_steps(
    connection: psycopg.Connection[Any], days: Collection[FamilyDay], targets: Sequence[TargetState] = ()
) -> dict[FamilyDay, NextStep | None]:
    """The next step of each family and day.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    days : collection of (str, date)
        Families and observation days.
    targets : sequence of TargetState
        What waits for delivery to each archive.

    Returns
    -------
    dict
        By family and day; None where every level is made and nothing waits for delivery.
    """
    wanted = {(asset, day.isoformat()) for family, day in days for asset in chain(family)}
    wanted |= {(parent, day) for asset, day in wanted for parent in MADE_FROM[asset]}
    known = versions.recorded(connection, wanted)
    undelivered = _undelivered(connection, days, targets)
    today = datetime.datetime.now(datetime.UTC).date()
    return {
        (family, day): next(
            (step for asset in chain(family) if (step := _step(asset, day, known, today)) is not None),
            undelivered.get((family, day)),
        )
        for family, day in days
    }


def _step(
    asset: str, day: datetime.date, known: Mapping[tuple[str, str], versions.Artefact], today: datetime.date
) -> NextStep | None:
    """What an asset waits for on a day; None if it is made from the current inputs."""
    key = day.isoformat()
    level, family = level_and_family(asset)
    made = known.get((asset, key))
    waits_for = None
    if made is None:
        missing = [_MISSING.get(parent, parent) for parent in MADE_FROM[asset] if (parent, key) not in known]
        if missing:
            waits_for = "what is missing: " + ", ".join(missing)
        else:
            waits_for = "the job ingest_telemetry" if level == "LB" else _BY_AUTOMATION
    elif changed := [use.asset for use in made.inputs if _differs(use, known)]:
        waits_for = f"{_BY_AUTOMATION}, since {', '.join(changed)} changed"
    elif made.data_version == EMPTY_DAY and known[MADE_FROM[asset][0], key].data_version != EMPTY_DAY:
        waits_for = _later(asset, day, known[KERNELS, key].data_version, today)
    return None if waits_for is None else NextStep(what=f"{level} {family}", day=day, waits_for=waits_for)


def _later(asset: str, day: datetime.date, kernels: str, today: datetime.date) -> str | None:
    """What products that are not made with the others of their level wait for, although there are packets."""
    if asset == PICTURES and today - day <= AGE:
        return "a light curve of the whole day (job daily_products)"
    if asset == ANCILLARY and not kernels.startswith(FLOWN):
        return "flown kernels that cover the day (job daily_products)"
    return None


def _differs(use: versions.Input, known: Mapping[tuple[str, str], versions.Artefact]) -> bool:
    now = known.get((use.asset, use.partition))
    return now is not None and now.data_version != use.data_version


def _undelivered(
    connection: psycopg.Connection[Any], days: Collection[FamilyDay], targets: Sequence[TargetState]
) -> dict[FamilyDay, NextStep]:
    """Deliveries that the files of each family and day wait for; those that need an operator come first."""
    reasons = {file.name: f"{_BY_SCHEDULE} ({target.target})" for target in targets for file in target.pending}
    reasons |= {
        file.name: f"{'an operator, who must agree' if file.status == 'held' else 'the next try'}: {file.reason}"
        for target in targets
        for file in target.open
    }
    if not reasons:
        return {}
    rows = connection.execute(
        "SELECT family, day, name FROM product_file WHERE superseded_at IS NULL AND name = ANY(%s)"
        " AND (family, day) IN (SELECT * FROM unnest(%s::text[], %s::date[])) ORDER BY name DESC",
        (list(reasons), [family for family, _ in days], [day for _, day in days]),
    ).fetchall()
    return {
        (family, day): NextStep(what=f"delivery of {name}", day=day, waits_for=reasons[name])
        for family, day, name in sorted(rows, key=lambda row: "operator" in reasons[row[2]])
    }


def lines_of_files(
    connection: psycopg.Connection[Any], files: Sequence[Entry], targets: Sequence[TargetState] = ()
) -> dict[int, str]:
    """One line for each file: what comes next and what it waits for.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    files : sequence of Entry
        Rows of the register.
    targets : sequence of TargetState
        What waits for delivery to each archive.

    Returns
    -------
    dict
        By identifier of the entry.
    """
    # Content known from another file is processed with that file.
    source = {file.telemetryfileid: file.same_as or file.telemetryfileid for file in files}
    of_file: dict[int, list[FamilyDay]] = {}
    for identifier, family, day in connection.execute(
        "SELECT telemetryfileid, family, day FROM telemetry_file_day WHERE telemetryfileid = ANY(%s)"
        " ORDER BY day, family",
        (sorted(set(source.values())),),
    ):
        of_file.setdefault(identifier, []).append((family, day))
    steps = next_steps(connection, {item for items in of_file.values() for item in items}, targets)
    return {
        file.telemetryfileid: _line(file, [steps[item] for item in of_file.get(source[file.telemetryfileid], ())])
        for file in files
    }


def _line(file: Entry, steps: Iterable[NextStep | None]) -> str:
    if file.state != "processed":
        more = f" ({file.next_try:%Y-%m-%d %H:%M} UTC)" if file.state == "failed" and file.next_try else ""
        return f"reception waits for {_OF_STATE[file.state]}{more}"
    found = [step for step in steps if step is not None]
    if not found:
        return "complete: every level is made, and nothing waits for delivery"
    first = min(found, key=lambda step: (_order(step), step.day, step.what))
    return first.line + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")


def _order(step: NextStep) -> int:
    """Sort key: earlier levels first."""
    level = step.what.split()[0]
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)
