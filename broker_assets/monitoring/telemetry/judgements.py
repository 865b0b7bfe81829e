"""What must hold for telemetry, and what to do where it does not: judgements of the facts in `facts`.

Each function checks one thing and reports numbers, names and the next step. Asset checks and the command line use the
same functions, so they can never differ.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

from broker_assets.monitoring.telemetry.day_gaps import missing_days, spans
from broker_assets.monitoring.telemetry.facts import HISTORY_HOURS, FamilyDays, Look, ProductKind

STUCK_HOURS: Final = 2
"""If no file was processed for this long although some are waiting, processing has stopped."""
GROWING_HOURS: Final = 6
"""If the backlog has not shrunk for this long and is larger than before, processing is too slow."""
UNREPORTED: Final = datetime.timedelta(hours=2)
"""If packets are stored but their products are not made after this time, the run that should have made them has
ended."""
LOOK_BACK: Final = datetime.timedelta(days=90)
"""Days that have been missing for longer are no longer reported; the status command lists all."""
GAPS: Final = {"quicklook": 0, "housekeeping": 0, "calibration": 3}
"""Maximum gap, in days, of families that arrive regularly; the others arrive on request."""
BEHIND: Final = datetime.timedelta(days=1)
"""Products of the newest day with packets should exist within this time."""
OLD: Final = {"quicklook": 7, "housekeeping": 7, "calibration": 14, "science": 60}
"""Age of the newest data, days, after which an operator should check whether telemetry still arrives."""
INCOMPLETE: Final = datetime.timedelta(days=3)
"""Packets of a sequence arrive within a few passes of the ground station."""
REGULAR_DAYS: Final = 10
"""A product that exists on this many of 30 days is regular."""
STOPPED: Final = datetime.timedelta(days=8)
"""A regular product that lags this far behind its family has stopped; level L1 may wait a week for kernels."""
WITHOUT_KERNELS: Final = datetime.timedelta(days=7)
"""Flown kernels arrive a few days after the data, predicted ones before."""
OVERDUE: Final = datetime.timedelta(hours=26)
"""Slightly more than a day, so that the daily run has had its chance."""
HELD: Final = datetime.timedelta(days=3)
"""Time by which an operator should have reacted."""
NAMED: Final = 10
"""Maximum number of files named in a description."""

Severity = Literal["warning", "error"]


@dataclass(frozen=True)
class Finding:
    """A judgement."""

    passed: bool
    text: str
    """What was found."""
    severity: Severity = "warning"
    """Severity if it is a problem."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    next_step: str = ""
    """What to do about a problem."""

    @property
    def sentence(self) -> str:
        """What was found, and what to do about it."""
        return f"{self.text}; {self.next_step}" if self.next_step else self.text


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def counted(number: int, noun: str, verb: str = "") -> str:
    """A number with its noun and the matching verb.

    Examples
    --------
    >>> counted(1, "file", "is"), counted(1200, "answer", "lacks"), counted(2, "file")
    ('1 file is', '1,200 answers lack', '2 files')
    """
    if number == 1:
        return f"1 {noun} {verb}".rstrip()
    plural = {"is": "are", "has": "have"}.get(verb, verb.removesuffix("s"))
    return f"{number:,} {noun}s {plural}".rstrip()


def _hours(span: datetime.timedelta) -> float:
    return round(span.total_seconds() / 3600.0, 1)


def backlog(look: Look) -> Finding:
    """Waiting files: whether files are processed at all, and whether the backlog keeps growing."""
    counts = look.backlog
    folders = look.folders
    waiting = sum(folder.waiting for folder in folders)
    unreported = sum(folder.unreported for folder in folders)
    newest = max((folder.newest for folder in folders if folder.newest), default=None)
    oldest = min((folder.oldest for folder in folders if folder.oldest), default=None)
    age = look.now - oldest if oldest is not None else datetime.timedelta()
    idle = look.now - newest if newest is not None else None
    numbers = {"waiting": waiting, "unreported": unreported, "oldest hours": _hours(age),
               f"waiting, last {HISTORY_HOURS} h": ", ".join(map(str, counts))}  # fmt: skip
    stuck = datetime.timedelta(hours=STUCK_HOURS)
    if waiting and age > stuck and (idle is None or idle > stuck):
        since = "none was ever processed" if idle is None else f"none was processed for {_hours(idle)} hours"
        text = f"{counted(waiting, 'telemetry file', 'waits')}, the oldest for {_hours(age)} hours, and {since}"
        step = (
            "see the sensor of telemetry files and the runs of ingest_telemetry, and `broker-assets telemetry status` "
            "for the reasons"
        )
        return Finding(False, text, "error", numbers, step)
    since_made = look.oldest_unreported
    if since_made is not None and look.now - since_made > UNREPORTED:
        text = (
            f"the products of {counted(unreported, 'file')} are not made, the packets of the first were stored at "
            f"{since_made:%Y-%m-%d %H:%M} UTC: the run ended too early"
        )
        step = "check the last failed run of ingest_telemetry and start it again"
        return Finding(False, text, "error", numbers, step)
    last = counts[-GROWING_HOURS - 1 :]
    never_less = all(before <= after for before, after in itertools.pairwise(last))
    if len(last) > GROWING_HOURS and last[0] > 0 and never_less and last[-1] > last[0]:
        text = (
            f"the backlog grew from {last[0]} to {last[-1]} files in {GROWING_HOURS} hours and never shrank: files "
            "arrive faster than they are processed"
        )
        return Finding(False, text, "warning", numbers, "check the duration of the runs of ingest_telemetry")
    return Finding(True, counted(waiting, "file", "waits") if waiting else "no file is waiting", numbers=numbers)


def failing_files(look: Look) -> Finding:
    """Files that failed, and those given up."""
    found = look.troubled
    given_up = [file for file in found if file.state == "quarantined"]
    retried = [file for file in found if file.state != "quarantined"]
    reasons = {file.name: f"{file.tries + file.copies} tries: {file.reason}" for file in found[:NAMED]}
    numbers = {"given up": len(given_up), "to be retried": len(retried), "reasons": reasons}
    if given_up:
        text = f"{counted(len(given_up), 'telemetry file', 'is')} in quarantine: " + _named(
            [f"{file.name} ({file.reason})" for file in given_up]
        )
        if retried:
            text += f"; {len(retried)} more failed before and will be retried"
        return Finding(
            False,
            text,
            "error",
            numbers,
            "`broker-assets telemetry files retry` retries them after the fix, `… dismiss` gives them up",
        )
    if retried:
        text = f"{counted(len(retried), 'telemetry file')} failed and will be retried: " + _named(
            [f"{file.name} ({file.tries + file.copies} tries: {file.reason})" for file in retried]
        )
        step = "`broker-assets telemetry files show NAME` gives the reason; the next runs retry by themselves"
        return Finding(False, text, "warning", numbers, step)
    return Finding(True, "no file is failing", numbers=numbers)


def bad_packets(look: Look) -> Finding:
    """Packets that could not be used in the last day."""
    found = look.bad_packets
    recent = [item for item in found if item.recent]
    total = sum(item.packets for item in found)
    numbers = {"new": sum(item.recent for item in recent), "all": total,
               "reasons": {item.reason: item.packets for item in found[:NAMED]}}  # fmt: skip
    if not recent:
        return Finding(True, f"none in the last day; {total} in total", numbers=numbers)
    text = (
        f"{counted(sum(item.recent for item in recent), 'packet')} of the last day could not be used ({total:,} in "
        "all): "
        + "; ".join(f"{item.recent} of {counted(item.files, 'file')}: {item.reason}" for item in recent[:NAMED])
    )
    step = (
        "`broker-assets telemetry files show NAME` lists the parts of a file; their bytes are in telemetry_quarantine"
    )
    return Finding(False, text, "warning", numbers, step)


def days_missing(look: Look, family: str) -> Finding:
    """Days without packets between days with packets; for housekeeping also days with only other packets."""
    since = (look.now - LOOK_BACK).date()
    known = next((item for item in look.families if item.family == family), None)
    gaps = [] if known is None else missing_days(known.days, longest=GAPS[family], since=since)
    alone = without_housekeeping(look.families, since) if family == "housekeeping" else []
    alone = [day for day in alone if day not in set(gaps)]
    numbers = {"days missing": len(gaps)} | ({"days without housekeeping": len(alone)} if alone else {})
    if not gaps and not alone:
        return Finding(True, f"no day is missing since {since}", numbers=numbers)
    parts = [f"no {family} on {spans(gaps)}, although there is some before and after"] if gaps else []
    if alone:
        parts.append(f"packets but no housekeeping on {spans(alone)}")
    step = "request the telemetry of these days again if the instrument was on"
    return Finding(False, "; ".join(parts), "warning", numbers, step)


def without_housekeeping(families: Sequence[FamilyDays], since: datetime.date) -> list[datetime.date]:
    """Days on which the instrument sent packets but no housekeeping."""
    days = {day for family in families if family.family != "housekeeping" for day in family.days if day >= since}
    for family in families:
        if family.family == "housekeeping":
            days -= set(family.days)
    # A request may be answered days before anything else of its day arrives.
    newest = max((family.newest for family in families if family.newest), default=None)
    return sorted(day for day in days if newest is not None and day < newest)


def fresh(look: Look, family: str) -> Finding:
    """Whether products of a family were made from all its packets, and the age of its newest data."""
    known = next((item for item in look.families if item.family == family), None)
    kinds = [kind for kind in look.kinds if kind.family == family]
    numbers: dict[str, Any] = {f"{kind.level} {kind.kind}": f"{kind.newest_day}" for kind in kinds}
    if known is None or known.newest is None:
        return Finding(True, "no packets yet", numbers=numbers)
    numbers["newest day with packets"] = known.newest.isoformat()
    incomplete = {answer.name for answer in look.incomplete} if family == "science" else set()
    # Days from a clock that was not set are not partitions: they could not be materialised.
    days = set(known.days)
    unmade = [
        file
        for file in look.without_level0
        if file.family == family and file.day in days and look.now - file.made_at > BEHIND
        if file.name not in incomplete
    ]
    numbers["packets without product (files)"] = len(unmade)
    if unmade:
        text = (
            f"{counted(len(unmade), 'file')} of level LB without a product for more than {_hours(BEHIND):.0f} hours "
            f"(days {spans({file.day for file in unmade})}): {_named([file.name for file in unmade])}"
        )
        step = f"look for failed runs of l0_{family} and for packets that cannot be used, then materialise these days"
        return Finding(False, text, "error", numbers, step)
    behind = lagging(kinds, known.newest)
    numbers["kinds that stopped"] = len(behind)
    if behind:
        stopped = ", ".join(f"{kind.level} {kind.kind} on {kind.newest_day}" for kind in behind)
        text = f"{family} continues until {known.newest}, but regular products stopped: {stopped}"
        step = "check for failed runs, for kernels, and what the instrument sends"
        return Finding(False, text, "warning", numbers, step)
    age = (look.now.date() - known.newest).days
    limit = OLD.get(family)
    numbers["age (days)"] = age
    if limit is not None and age > limit:
        text = f"the newest packets are of {known.newest}, {age} days ago (limit {limit})"
        return Finding(False, text, "warning", numbers, "check whether telemetry arrives")
    return Finding(True, f"newest day {known.newest}", numbers=numbers)


def lagging(kinds: Sequence[ProductKind], newest: datetime.date) -> list[ProductKind]:
    """Products that existed on most days and stopped, while others of the family continue."""
    return [
        kind
        for kind in kinds
        if kind.level in ("L0", "L1") and kind.recent_days >= REGULAR_DAYS and kind.newest_day is not None
        if newest - kind.newest_day > STOPPED
    ]


def incomplete_answers(look: Look) -> Finding:
    """Answers to requests whose packets have been missing for too long."""
    late = [answer for answer in look.incomplete if look.now - answer.made_at > INCOMPLETE]
    numbers = {"incomplete": len(look.incomplete), "too long": len(late)}
    if not late:
        return Finding(True, f"{len(look.incomplete)} answers to requests are not complete yet", numbers=numbers)
    text = (
        f"packets of {counted(len(late), 'answer')} to requests are missing for more than {INCOMPLETE.days} days: "
        + _named([f"{answer.name} ({answer.missing})" for answer in late])
    )
    return Finding(False, text, "warning", numbers, "request the telemetry of these days again")


def without_kernels(look: Look, family: str) -> Finding:
    """Files of level L0 that have waited for kernels for too long."""
    waiting = [file for file in look.without_level1 if file.family == family]
    late = [file for file in waiting if look.now - file.made_at > WITHOUT_KERNELS]
    kernels = look.kernels
    flown = f"flown until {kernels.flown_until}" if kernels.flown_until else kernels.detail or "no flown kernels"
    numbers = {"waiting": len(waiting), "too long": len(late), "kernels": flown}
    if not late:
        return Finding(True, f"{len(waiting)} files of level L0 have no L1 yet ({flown})", numbers=numbers)
    text = (
        f"{counted(len(late), 'file')} of level L0 without L1 for more than {WITHOUT_KERNELS.days} days ({flown}; days "
        f"{spans({file.day for file in late})}): {_named([file.name for file in late])}"
    )
    return Finding(False, text, "warning", numbers, f"fetch kernels, or look for failed runs of l1_{family}")


def published_as_due(look: Look) -> Finding:
    """Files that should have been delivered but were not."""
    late: list[str] = []
    numbers: dict[str, Any] = {}
    for target in look.targets:
        overdue = [file for file in target.pending if not file.tried and look.now - file.due_since > OVERDUE]
        numbers |= {f"{target.target} pending": len(target.pending), f"{target.target} overdue": len(overdue)}
        if overdue:
            first = overdue[0]
            late.append(
                f"{target.target} lacks {counted(len(overdue), 'file')}, the first due since "
                f"{first.due_since:%Y-%m-%d %H:%M} UTC: "
                + _named([file.name for file in overdue])
                + (f" (last run: {target.failure})" if target.failure else "")
            )
    if late:
        step = "start the job publish_products and read its log"
        return Finding(False, "; ".join(late), "error", numbers, step)
    text = "all due files are decided" if look.targets else "no target is configured"
    return Finding(True, text, numbers=numbers)


def held_back(look: Look) -> Finding:
    """Files that wait for an operator for too long, and those that could not be delivered."""
    parts: list[str] = []
    numbers: dict[str, Any] = {}
    severity: Severity = "warning"
    for target in look.targets:
        errors = [file for file in target.open if file.status == "error"]
        held = [file for file in target.open if file.status == "held" and look.now - file.decided_at > HELD]
        numbers |= {f"{target.target} held": target.held, f"{target.target} errors": target.errors}
        if held:
            parts.append(
                f"{target.target}: {counted(target.held, 'file', 'is')} held back, {len(held)} for more than "
                f"{HELD.days} days: " + _named([f"{file.name} ({file.reason})" for file in held])
            )
        if errors:
            severity = "error"
            parts.append(
                f"{target.target}: {counted(target.errors, 'file')} could not be delivered: "
                + _named([f"{file.name} ({file.reason})" for file in errors])
            )
    if parts:
        step = "compare, then `broker-assets publish agree` to deliver or refuse; `publish status` has the errors"
        return Finding(False, "; ".join(parts), severity, numbers, step)
    return Finding(True, "no file waits for an operator for long", numbers=numbers)


@dataclass(frozen=True)
class Judgement:
    """A requirement, and the asset it applies to."""

    asset: str
    """Asset with which it is shown."""
    name: str
    description: str
    """The requirement."""
    judge: Callable[[Look], Finding]


INCOMING: Final = "telemetry_register"
"""Asset of the files that arrive."""
PUBLISHED: Final = "published_files"
"""Asset of what was delivered."""

JUDGEMENTS: Final[tuple[Judgement, ...]] = (
    Judgement(INCOMING, "backlog", "Telemetry files are processed soon after arrival, and the backlog does not grow.",
              backlog),
    Judgement(INCOMING, "failing_files", "No telemetry file fails repeatedly, and none was given up.",
              failing_files),
    Judgement(INCOMING, "bad_packets", "Every packet of the last day could be used.", bad_packets),
    *(
        Judgement(f"lb_{family}", "days_missing", f"No day is missing between others (gaps up to {gap} days allowed).",
                  partial(days_missing, family=family))
        for family, gap in GAPS.items()
    ),
    *(
        Judgement(f"l0_{family}", "fresh", f"Products are made of all packets, and the newest are of the last {days} "
                  "days.", partial(fresh, family=family))
        for family, days in OLD.items()
    ),
    Judgement("l0_science", "incomplete_answers", "Answers to requests are complete within a few days.",
              incomplete_answers),
    *(
        Judgement(f"l1_{family}", "without_kernels", f"No file waits for kernels for more than {WITHOUT_KERNELS.days} "
                  "days.", partial(without_kernels, family=family))
        for family in OLD
    ),
    Judgement(PUBLISHED, "published_as_due", "Files are delivered within a day after they are due.", published_as_due),
    Judgement(PUBLISHED, "held_back", "No file waits long for an operator, and no delivery fails.", held_back),
)  # fmt: skip
"""Requirements that only use the database and the packet store."""


def ask(judgement: Judgement, look: Look) -> Finding:
    """Evaluate a requirement; one that cannot be checked has not passed, and hides no other."""
    try:
        return judgement.judge(look)
    except OSError as error:
        return Finding(False, f"could not be checked: {error}", "error", next_step="see that the files can be read")


def judge(look: Look) -> dict[Judgement, Finding]:
    """Evaluate all requirements."""
    return {judgement: ask(judgement, look) for judgement in JUDGEMENTS}
