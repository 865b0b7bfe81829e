"""The decision on one file: a pure function of its content, the rules and the history."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from broker_assets.publication.comparison import worse
from broker_assets.publication.content import Content, Facts
from broker_assets.publication.names import ProductName
from broker_assets.publication.selection import Rules

Status = Literal["delivering", "published", "supplement", "ignored", "blacklisted", "held", "error", "replaced"]
"""`delivering`: started; `replaced`: another content took its place, whether it was delivered or not."""

AT_TARGET: tuple[Status, ...] = ("published", "supplement")


class Entry(BaseModel):
    """History entry of one content of a file."""

    model_config = ConfigDict(frozen=True)

    publicationid: int
    """Identifier."""
    target: str
    """Archive."""
    name: str
    """Complete name of our file."""
    path: str
    """Path below our archive."""
    digest: str
    """Digest of the content."""
    archive_name: str
    """Name by which the archive identifies it."""
    subject: str
    """Its subject, independent of the version."""
    version: int
    """Version in the name."""
    status: Status
    """The decision."""
    settled: bool
    """Whether runs no longer process it."""
    retry_after: datetime.datetime | None = None
    """Time from which a run processes it nevertheless."""
    reason: str = ""
    """Reason, as text."""
    delivered_name: str | None = None
    """Name at the target."""
    supplement: int | None = None
    """Supplement number; 0 for the first file of its archive name."""
    base_name: str | None = None
    """File to which a supplement adds."""
    comment: str = ""
    """Comment on the request."""
    sha256: str | None = None
    """SHA-256 of the delivered copy."""
    size: int | None = None
    """Size of the delivered copy, bytes."""
    stamp: datetime.datetime | None = None
    """Time recorded in the copy."""
    facts: Facts
    """Facts for comparison."""
    made_at: datetime.datetime | None = None
    """Creation time of our file."""
    run_id: str = ""
    """Run that made the last decision."""
    decided_at: datetime.datetime
    """When."""
    delivered_at: datetime.datetime | None = None
    """Time at which the copy was read back."""
    agreed_by: str | None = None
    """Operator who agreed or refused."""
    agreed_why: str | None = None
    """Reason given by the operator."""
    agreed_at: datetime.datetime | None = None
    """When."""

    @property
    def begun(self) -> bool:
        """Whether a delivery was started but not completed: interrupted, or failed. The target may have the file."""
        return self.status == "delivering" or (
            self.status == "error" and not self.settled and self.delivered_name is not None
        )

    @property
    def taken(self) -> bool:
        """Whether its name at the target is taken."""
        return self.status in AT_TARGET or self.begun

    @property
    def agreed(self) -> bool:
        """Whether an operator wants it delivered against the rules."""
        return self.agreed_at is not None and self.status in ("held", "error", "delivering")


@dataclass(frozen=True)
class Decision:
    """The decision on a file."""

    status: Status
    """`published` and `supplement` are delivered."""
    reason: str = ""
    delivered: ProductName | None = None
    supplement: int | None = None
    base: str | None = None
    retry_after: datetime.datetime | None = None
    settled: bool = True
    conflict: bool = False
    """Whether the archive accepts no further file of this archive name."""

    @property
    def deliver(self) -> bool:
        """Whether it is delivered to the target."""
        return self.status in AT_TARGET


def decide(
    name: ProductName, content: Content, rules: Rules, history: Sequence[Entry], now: datetime.datetime
) -> Decision:
    """Decide on a file.

    Parameters
    ----------
    name : ProductName
        Name of our file.
    content : Content
    rules : Rules
    history : sequence of Entry
        All entries of the target with the same archive name or subject.
    now : datetime
    """
    complete = str(name.complete)
    mine = next((entry for entry in history if entry.name == complete and entry.digest == content.digest), None)
    if content.damage:
        return Decision("error", f"our file is damaged: {content.damage}", settled=False)
    if content.sums_wrong:
        parts = ", ".join(content.sums_wrong)
        return Decision("error", f"our file is damaged: {parts} does not match its checksum", settled=False)
    if content.start is not None and content.start > now + rules.future:
        reason = f"the data start at {content.start:%Y-%m-%d %H:%M} UTC, which is in the future: the clock was not set"
        return Decision("ignored", reason, retry_after=content.start - rules.future)
    if rules.blacklisted(name):
        return Decision("blacklisted", "the name is on the blacklist")
    if mine is not None and mine.begun and mine.delivered_name is not None:
        status: Status = "supplement" if mine.supplement else "published"
        delivered = ProductName.parse(mine.delivered_name)
        return Decision(status, mine.reason, delivered, mine.supplement, mine.base_name)
    agreed = mine is not None and mine.agreed
    earlier = _latest(entry for entry in history if entry.name == complete and entry.status in AT_TARGET)
    if earlier is not None:
        return _changed(earlier, content, rules, agreed=agreed)
    moved = _latest(
        e for e in history if name.answers(e.subject) and e.version == name.version and e.status in AT_TARGET
    )
    if moved is not None and moved.archive_name != name.archive_name and not agreed:
        return Decision(
            "held",
            f"the archive has {moved.name} of the same request under another time range (moved by a newer clock "
            "kernel); raise the version, or agree to deliver it as well",
        )
    others = [entry for entry in history if entry.archive_name == name.archive_name and entry.taken]
    # A delivery that was started with another content of this file keeps its number.
    number = max((entry.supplement or 0 for entry in others if entry.name == complete), default=0)
    others = [entry for entry in others if entry.name != complete]
    decision = _among(name, content, rules, others, number, agreed=agreed)
    if not decision.deliver or agreed:
        return decision
    before = [e for e in history if e.subject == name.subject and e.status in AT_TARGET and e.version < name.version]
    previous = max(before, key=lambda entry: (entry.version, entry.publicationid), default=None)
    against = [] if previous is None else worse(content.facts, previous.facts, rules)
    if previous is not None and against:
        return Decision("held", f"looks worse than version {previous.version:02d}: {'; '.join(against)}")
    return decision


def _latest(entries: object) -> Entry | None:
    return max(entries, key=lambda entry: entry.publicationid, default=None)  # type: ignore[call-overload, no-any-return]


def _changed(earlier: Entry, content: Content, rules: Rules, *, agreed: bool) -> Decision:
    """Different content under a name that the archive has: only an operator may replace a delivered file."""
    when = earlier.delivered_at or earlier.decided_at
    if agreed and earlier.delivered_name is not None:
        delivered = ProductName.parse(earlier.delivered_name)
        reason = f"replaces what was delivered on {when:%Y-%m-%d}"
        return Decision(earlier.status, reason, delivered, earlier.supplement, earlier.base_name)
    against = worse(content.facts, earlier.facts, rules)
    looks = f", and looks worse: {'; '.join(against)}" if against else ""
    reason = f"the content changed since the file was delivered on {when:%Y-%m-%d}{looks}"
    return Decision("held", f"{reason}; raise the version, or agree to replace it")


def _among(
    name: ProductName, content: Content, rules: Rules, others: Sequence[Entry], number: int, *, agreed: bool
) -> Decision:
    """Decide on a file among others of the same archive name."""
    if not others:
        return Decision("published", "", name.complete, 0)
    same = next((entry for entry in others if entry.facts.data_digest == content.facts.data_digest), None)
    if same is not None:
        return Decision("ignored", f"same data as {same.name}, requested again")
    first = min(others, key=lambda entry: (entry.supplement or 0, entry.publicationid))
    if name.suffix != "fits":
        return Decision("ignored", f"the archive has {first.name}, and plots have no supplements")
    number = number or 1 + max(entry.supplement or 0 for entry in others)
    if number > rules.supplements and not agreed:
        reason = f"{first.name} has {number - 1} supplements, and the archive accepts no more"
        return Decision("error", reason, conflict=True)
    base = first.delivered_name or first.name
    return Decision("supplement", f"adds to {base}", name.with_supplement(number), number, base)
