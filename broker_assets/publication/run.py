"""A run of the publisher: files, rules, a target and the history put together.

Every file is decided and delivered on its own, under a lock of its archive name, and recorded at once. A run that is
killed goes on where it was: what had begun keeps its name, its supplement number and its time, so the same bytes are
made again, and if the target has them already nothing is sent.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import os
import tempfile
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from broker_assets.publication import copies, history
from broker_assets.publication.content import Content, DamagedFile, Facts, digest, read
from broker_assets.publication.copies import Copy, Reason, Refresh, request_comment
from broker_assets.publication.decisions import Decision, Entry, decide
from broker_assets.publication.names import ProductName
from broker_assets.publication.report import Outcome, Report
from broker_assets.publication.selection import Candidate, Rules, named, select
from broker_assets.publication.targets import Arrived, Target, TargetAway

logger = logging.getLogger(__name__)


@dataclass
class _Work:
    """What the steps of a run share."""

    connection: psycopg.Connection[Any]
    target: Target
    rules: Rules
    run_id: str
    reason: Reason | None
    refresh: Refresh | None
    conflicts: Target | None
    clock: Callable[[], datetime.datetime]
    dry_run: bool
    pretended: list[Entry] = field(default_factory=list)
    """What a dry run would have entered."""


@dataclass(frozen=True)
class _File:
    """A file of ours as it was read."""

    name: ProductName
    candidate: Candidate
    data: bytes
    content: Content
    size: int
    mtime: int


def publish(
    connection: psycopg.Connection[Any],
    files: Iterable[Candidate],
    target: Target,
    rules: Rules,
    *,
    run_id: str | None = None,
    reason: Reason | None = None,
    refresh: Refresh | None = None,
    conflicts: Target | None = None,
    dry_run: bool = False,
    now: Callable[[], datetime.datetime] | None = None,
    tell: Callable[[Outcome], None] | None = None,
) -> Report:
    """Deliver files that are due.

    Parameters
    ----------
    connection : psycopg.Connection
        To a migrated database; not within a transaction. Each file is committed.
    files : iterable of Candidate
        Files of ours; only read.
    target : Target
    rules : Rules
    run_id : str, optional
        Kept with what the run decides; made up unless given.
    reason : function, optional
        Why data were requested, by request id.
    refresh : function, optional
        Ephemeris cards for a header.
    conflicts : Target, optional
        Where files go that the archive does not take any more.
    dry_run : bool
        Decide only; neither the history nor the target changes.
    now : function, optional
        The time.
    tell : function, optional
        Called with each outcome as it is there.

    Returns
    -------
    Report
        Where the target went away: what was done until then, and `failure`.

    Raises
    ------
    ValueError
        If the connection is within a transaction.
    """
    if connection.info.transaction_status != TransactionStatus.IDLE:
        raise ValueError("the connection is within a transaction; each file must be committed on its own")
    run_id = run_id or uuid.uuid4().hex
    clock = now or (lambda: datetime.datetime.now(datetime.UTC))
    work = _Work(connection, target, rules, run_id, reason, refresh, conflicts, clock, dry_run)
    report = Report(run_id=run_id, target=target.name, dry_run=dry_run)
    mine, report.passed_over = named(files, rules)
    open_files = _not_settled(work, mine, report)
    chosen = select(open_files, rules, clock())
    report.waiting = [candidate.key for _, candidate in chosen.waiting]
    report.left = [candidate.key for _, candidate in chosen.left]
    if not dry_run:
        history.begin_run(connection, run_id, target.name)
    try:
        if chosen.due and not dry_run:
            target.check()
        for number, (name, candidate) in enumerate(chosen.due):
            try:
                outcome, new = _one(work, name, candidate)
            except TargetAway:
                report.left = [candidate.key for _, candidate in chosen.due[number:]] + report.left
                raise
            (report.outcomes if new else report.unchanged).append(outcome)
            if new:
                _log(outcome)
                if tell is not None:
                    tell(outcome)
    except TargetAway as error:
        report.failure = str(error)
        if not report.outcomes and not report.left:
            report.left = [candidate.key for _, candidate in chosen.due]
        logger.error("%s", error)
    finally:
        if not dry_run and not connection.closed:
            history.end_run(connection, run_id, target.name, report.counts, report.failure)
    return report


def _log(outcome: Outcome) -> None:
    level = logging.ERROR if outcome.status == "error" else logging.INFO
    logger.log(level, "%s: %s %s", outcome.name, outcome.status, outcome.reason)


def _not_settled(
    work: _Work, files: list[tuple[ProductName, Candidate]], report: Report
) -> list[tuple[ProductName, Candidate]]:
    """Leave out files that are as they were when they were settled; give the others the time they were made."""
    known = history.known(work.connection, work.target.name, [str(name.complete) for name, _ in files])
    found = []
    for name, candidate in files:
        complete = str(name.complete)
        try:
            status = candidate.path.stat()
        except OSError:
            # Removed or replaced since the folder was listed.
            report.passed_over += 1
            continue
        same = [
            item
            for item in known.get(complete, [])
            if (item.source_size, item.source_mtime) == (status.st_size, status.st_mtime_ns)
        ]
        if same and _is_settled(work, name, same[0]):
            entry = same[0]
            outcome = Outcome(
                name=complete, path=candidate.key, status=entry.status, reason=entry.reason, digest=entry.digest
            )
            report.unchanged.append(outcome)
            continue
        found.append((name, Candidate(candidate.path, candidate.made_at or _made_at(candidate.path), candidate.key)))
    return found


def _is_settled(work: _Work, name: ProductName, entry: history.Known) -> bool:
    if entry.status == "blacklisted" and not work.rules.blacklisted(name):
        return False
    return entry.settled and not (entry.retry_after is not None and entry.retry_after <= work.clock())


def _made_at(path: Path) -> datetime.datetime:
    """DATE of a FITS file, without reading all of it; else the time of modification."""
    with path.open("rb") as stream:
        head = stream.read(4 * 2880)
    for at in range(0, len(head), 80):
        card = head[at : at + 80]
        if card.startswith(b"DATE    ="):
            text = card[10:].split(b"'")[1:2]
            try:
                found = datetime.datetime.fromisoformat(text[0].decode("ascii").strip())
            except (IndexError, UnicodeDecodeError, ValueError):
                break
            return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    return datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)


def _one(work: _Work, name: ProductName, candidate: Candidate) -> tuple[Outcome, bool]:
    """Decide on a file and deliver it; whether anything is new.

    What fails here is the outcome of this file alone, unless the target is away.
    """
    complete = str(name.complete)
    try:
        with candidate.path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            data = stream.read()
        try:
            content = read(data, name.suffix)
        except DamagedFile as error:
            content = Content(hashlib.sha256(data).hexdigest(), Facts(), None, None, (str(error),))
        file = _File(name, candidate, data, content, status.st_size, status.st_mtime_ns)
        with history.locked(work.connection, work.target.name, name.archive_name):
            return _decided(work, file)
    except TargetAway:
        raise
    except OSError as error:
        return Outcome(name=complete, path=candidate.key, status="error", reason=str(error)), True


def _decided(work: _Work, file: _File) -> tuple[Outcome, bool]:
    complete = str(file.name.complete)
    past = history.related(work.connection, work.target.name, file.name)
    past += [e for e in work.pretended if e.archive_name == file.name.archive_name or e.subject == file.name.subject]
    mine = next((entry for entry in past if entry.name == complete and entry.digest == file.content.digest), None)
    if mine is not None and mine.settled and not _again(work, file, mine):
        if not work.dry_run:
            history.touch(work.connection, work.target.name, complete, mine.digest, file.size, file.mtime)
        return _outcome(file, mine.status, mine.reason, mine), False
    if not work.dry_run:
        for entry in past:
            if entry.name == complete and entry.digest != file.content.digest and entry.begun:
                _finish(work, entry)
        past = history.related(work.connection, work.target.name, file.name)
    decision = decide(file.name, file.content, work.rules, past, work.clock())
    if work.dry_run:
        work.pretended.append(_pretended(work, file, decision))
        return _outcome(file, decision.status, decision.reason, work.pretended[-1]), True
    if decision.deliver:
        return _deliver(work, file, decision, mine), True
    history.record(work.connection, _columns(work, file, decision))
    if decision.conflict and work.conflicts is not None:
        _keep_conflict(work, file)
    return _outcome(file, decision.status, decision.reason), True


def _again(work: _Work, file: _File, mine: Entry) -> bool:
    if mine.status == "blacklisted":
        return not work.rules.blacklisted(file.name)
    return mine.retry_after is not None and mine.retry_after <= work.clock()


def _finish(work: _Work, entry: Entry) -> bool:
    """Look whether a delivery that was cut off had arrived; if so enter it."""
    if entry.delivered_name is None or entry.sha256 is None:
        return False
    if work.target.sha256(entry.delivered_name) != entry.sha256:
        return False
    url = f"{work.target.url}/{entry.delivered_name}"
    receipt = Arrived(entry.delivered_name, url, entry.size or 0, entry.sha256)
    status = "supplement" if entry.supplement else "published"
    history.arrived(work.connection, entry.publicationid, status, receipt, work.run_id)
    return True


def _deliver(work: _Work, file: _File, decision: Decision, mine: Entry | None) -> Outcome:
    assert decision.delivered is not None  # noqa: S101 (what `deliver` means)
    if mine is not None and mine.begun and _finish(work, mine):
        return _outcome(file, decision.status, decision.reason, mine)
    begun = mine if mine is not None and mine.begun else None
    stamp = begun.stamp if begun is not None and begun.stamp is not None else work.clock()
    comment = begun.comment if begun is not None else request_comment(file.name, work.reason)
    columns = _columns(work, file, decision) | {"stamp": stamp, "comment": comment}
    try:
        copy = Copy(decision.delivered, work.target.name, stamp, comment, decision.base or "", work.refresh)
        made = copies.make(file.data, file.name, copy)
        if file.name.suffix == "fits":
            digest(made, "fits")
    except (ValueError, LookupError) as error:
        # A damaged file, or fresh ephemeris cards that cannot be had; other files are none the worse.
        reason = f"the copy to deliver cannot be made: {error}"
        history.record(work.connection, columns | {"status": "error", "reason": reason})
        return _outcome(file, "error", reason)
    sha256 = hashlib.sha256(made).hexdigest()
    identifier = history.record(work.connection, columns | {"sha256": sha256, "size": len(made)})
    try:
        receipt = _send(work.target, str(decision.delivered), made, sha256)
    except OSError as error:
        # The target, or no room for the copy on our side.
        history.failed(work.connection, identifier, str(error), work.run_id)
        if isinstance(error, TargetAway):
            raise
        return _outcome(file, "error", str(error))
    history.arrived(work.connection, identifier, decision.status, receipt, work.run_id)
    return Outcome(
        name=str(file.name.complete),
        path=file.candidate.key,
        status=decision.status,
        reason=decision.reason,
        digest=file.content.digest,
        delivered_name=receipt.name,
        sha256=receipt.sha256,
        size=receipt.size,
    )


def _send(target: Target, name: str, data: bytes, sha256: str) -> Arrived:
    with tempfile.TemporaryDirectory(prefix="publication-") as folder:
        source = Path(folder) / Path(name).name
        source.write_bytes(data)
        return target.deliver(name, source, sha256)


def _keep_conflict(work: _Work, file: _File) -> None:
    """Copy a file that the archive does not take to where operators find it; its record stands whatever happens."""
    assert work.conflicts is not None  # noqa: S101 (the caller looked)
    try:
        work.conflicts.check()
        _send(work.conflicts, str(file.name.complete), file.data, hashlib.sha256(file.data).hexdigest())
    except OSError as error:
        logger.error("%s could not be kept among the conflicts: %s", file.name.complete, error)


def _columns(work: _Work, file: _File, decision: Decision) -> dict[str, Any]:
    return {
        "target": work.target.name,
        "name": str(file.name.complete),
        "path": file.candidate.key,
        "digest": file.content.digest,
        "archive_name": file.name.archive_name,
        "subject": file.name.subject,
        "version": file.name.version,
        "facts": file.content.facts.model_dump(),
        "made_at": file.candidate.made_at,
        "source_size": file.size,
        "source_mtime": file.mtime,
        "run_id": work.run_id,
        **history.columns_of(decision),
    }


def _pretended(work: _Work, file: _File, decision: Decision) -> Entry:
    columns = _columns(work, file, decision) | {"status": decision.status, "settled": True}
    return Entry(publicationid=10**15 + len(work.pretended), decided_at=work.clock(), **columns)


def _outcome(file: _File, status: str, reason: str, entry: Entry | None = None) -> Outcome:
    return Outcome(
        name=str(file.name.complete),
        path=file.candidate.key,
        status=status,
        reason=reason,
        digest=file.content.digest,
        delivered_name=None if entry is None else entry.delivered_name,
        sha256=None if entry is None else entry.sha256,
        size=None if entry is None else entry.size,
    )
