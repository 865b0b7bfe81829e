"""Stored plans of nights: wanted spectra by observatory, with a new version whenever the plan changes.

`schedule` computes a night; here it becomes a document, and a new row if it differs from the newest version. A plan
depends on the time at which it is made only through the spectra that are then wanted and claimed.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
from psycopg.types.json import Jsonb

from broker_assets.database.turns import in_turn
from broker_assets.tom.spectra.schedule import MINUTES, schedule_night
from broker_assets.tom.spectra.visibility import OBSERVATORIES, Observatory
from broker_assets.tom.spectra.wanted import CLAIM_DAYS, ZERO_POINT, Choice, Wanted, wanted_spectra

PLANS_VERSION: Final = "night plans 1"
"""Version of the code that plans nights."""


BEGIN_HOUR: Final = 16
"""Hour UTC at which a night becomes one of `partitions.nights`, and can be planned."""
_EVENING_HOUR: Final = 18


def evening_of(observatory: Observatory, night: datetime.date) -> datetime.date:
    """Local date of an observatory's first evening after a night has become a partition: in Australia the next date.

    Examples
    --------
    >>> [evening_of(one, datetime.date(2026, 12, 1)).day for one in OBSERVATORIES]
    [1, 1, 1, 1, 1, 1, 2, 1]
    """
    later = _EVENING_HOUR - observatory.longitude / 15 < BEGIN_HOUR
    return night + datetime.timedelta(days=int(later))


@dataclass(frozen=True)
class NightPlan:
    """The plan of a night at an observatory."""

    observatory: str
    document: dict[str, Any]

    @property
    def sha256(self) -> str:
        """SHA-256 of the document."""
        return hashlib.sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class KeptPlans:
    """Plans of a night, as stored."""

    data_version: str
    """Version of all of them together."""
    new: int
    """Number of plans that differ from the previous version."""
    slots: dict[str, int]
    """Number of planned spectra by observatory."""


def plan_of(observatory: Observatory, evening: datetime.date, wanted: Sequence[Wanted], minutes: float) -> NightPlan:
    """Plan a night.

    Parameters
    ----------
    observatory : Observatory
        The observatory.
    evening : datetime.date
        Local date of its evening.
    wanted : sequence of Wanted
        Wanted spectra.
    minutes : float
        Time for a spectrum, minutes.
    """
    ra, dec = (np.array([getattr(one, name) for one in wanted], np.float64) for name in ("ra", "dec"))
    found = schedule_night(
        observatory, observatory.midnight(evening), ra, dec, [one.priority for one in wanted], minutes=minutes
    )
    return NightPlan(
        observatory.name,
        {
            "evening": evening.isoformat(),
            "begin": _text(found.begin),
            "end": _text(found.end),
            "moon": round(found.moon, 3),
            "minutes": minutes,
            "slots": [
                {
                    "object": str(wanted[slot.place].number),
                    "begin": _text(slot.begin),
                    "end": _text(slot.end),
                    "airmass": round(slot.airmass, 3),
                    "priority": wanted[slot.place].priority,
                    "requester": wanted[slot.place].requester,
                }
                for slot in found.slots
            ],
            "left": {str(wanted[place].number): why for place, why in sorted(found.left.items())},
        },
    )


def keep_plans(
    connection: psycopg.Connection[Any],
    night: datetime.date,
    *,
    run_id: str | None = None,
    minutes: float = MINUTES,
    zero_point: float = ZERO_POINT,
    observatories: Sequence[Observatory] = OBSERVATORIES,
) -> KeptPlans:
    """Plan a night at every observatory, and store the plans that changed.

    Spectra that a facility has claimed in the week before the night are left out.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction, which the caller commits.
    night : datetime.date
        The night; see `evening_of`.
    run_id : str, optional
        Dagster run that makes the plans.
    minutes : float
        Time for a spectrum, minutes.
    zero_point : float
        Zero point of magnitudes.
    observatories : sequence of Observatory
        Observatories.
    """
    # Of two concurrent runs, the second compares with what the first has stored.
    in_turn(connection, f"night plans {night}")
    claimed = datetime.datetime.combine(night, datetime.time(), datetime.UTC) - datetime.timedelta(days=CLAIM_DAYS)
    wanted = wanted_spectra(connection, Choice(None, claimed, None, None), zero_point=zero_point)
    plans = [plan_of(one, evening_of(one, night), wanted, minutes) for one in observatories]
    new = 0
    for plan in plans:
        row = connection.execute(
            "SELECT version, sha256 FROM spectrum_night_plans WHERE night = %s AND observatory = %s"
            " ORDER BY version DESC LIMIT 1",
            (night, plan.observatory),
        ).fetchone()
        if row is not None and row[1] == plan.sha256:
            continue
        new += 1
        connection.execute(
            "INSERT INTO spectrum_night_plans (night, observatory, version, sha256, run_id, plan)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (night, plan.observatory, row[0] + 1 if row else 1, plan.sha256, run_id, Jsonb(plan.document)),
        )
    whole = hashlib.sha256("".join(plan.sha256 for plan in plans).encode()).hexdigest()
    return KeptPlans(whole, new, {plan.observatory: len(plan.document["slots"]) for plan in plans})


def _text(time: datetime.datetime | None) -> str | None:
    return None if time is None else time.astimezone(datetime.UTC).isoformat(timespec="minutes")
