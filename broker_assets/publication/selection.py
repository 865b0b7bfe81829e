"""Which files are due: pure functions over names and times."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from broker_assets.publication.names import NotAProductName, ProductName
from broker_assets.settings import PublicationSettings, PublicationTarget

Order = Literal["name", "made"]


@dataclass(frozen=True)
class Candidate:
    """A file of the local archive that may be delivered."""

    path: Path
    """Its path; only read."""
    made_at: datetime.datetime | None = None
    """Creation time; None: taken from its DATE card, else the modification time."""
    relative: str = ""
    """Path below the archive, which identifies files in order and history; default: the file name."""

    @property
    def key(self) -> str:
        """Path below the archive, or the name."""
        return self.relative or self.path.name

    @property
    def archive(self) -> Path:
        """Folder of the archive."""
        return self.path.parents[self.key.count("/")]


@dataclass(frozen=True)
class Rules:
    """Selection rules of a target."""

    levels: frozenset[str] = frozenset({"L0", "L1", "L2", "ANC", "LL03", "CAL"})
    products: frozenset[str] = frozenset({"ql", "hk", "sci", "asp", "cal"})
    """Families (`ql`) or kinds (`ql-lightcurve`); `*` selects all."""
    versions: frozenset[str] = frozenset({"*"})
    """`2`, `02`, `02U`, `V02`; `*` selects all."""
    waiting: datetime.timedelta = datetime.timedelta(days=14)
    waiting_low_latency: datetime.timedelta = datetime.timedelta(minutes=1)
    batch_size: int = -1
    """Maximum number of files per run; -1: no limit."""
    order: Order = "name"
    blacklist: frozenset[str] = frozenset()
    """Names, with or without U, that are never delivered."""
    supplements: int = 2
    """Number of files of one archive name, beyond the first, that the archive accepts."""
    future: datetime.timedelta = datetime.timedelta(days=7)
    """Data that start more than this time in the future come from a clock that was not set."""
    tolerated_row_loss: float = 0.0
    tolerated_nan_increase: float = 0.01
    tolerated_coverage_loss: float = 0.0

    @classmethod
    def of(cls, target: PublicationTarget, settings: PublicationSettings) -> Rules:
        """The rules of a target according to the settings.

        Raises
        ------
        OSError
            If the blacklist cannot be read: without it, nothing is delivered.
        """
        return cls(
            levels=frozenset(target.levels),
            products=frozenset(target.products),
            versions=frozenset(target.versions),
            waiting=datetime.timedelta(hours=target.waiting_hours),
            waiting_low_latency=datetime.timedelta(hours=target.waiting_hours_low_latency),
            batch_size=target.batch_size,
            blacklist=frozenset() if settings.blacklist is None else read_blacklist(settings.blacklist),
            tolerated_row_loss=settings.tolerated_row_loss,
            tolerated_nan_increase=settings.tolerated_nan_increase,
            tolerated_coverage_loss=settings.tolerated_coverage_loss,
        )

    def blacklisted(self, name: ProductName) -> bool:
        """Whether this file is on the blacklist, with or without U."""
        return str(name) in self.blacklist or str(name.complete) in self.blacklist


@dataclass(frozen=True)
class Selection:
    """Classification of the candidates before any is opened for delivery."""

    due: list[tuple[ProductName, Candidate]] = field(default_factory=list)
    """To be decided, in order, at most one batch."""
    waiting: list[tuple[ProductName, Candidate]] = field(default_factory=list)
    """Too recent."""
    left: list[tuple[ProductName, Candidate]] = field(default_factory=list)
    """Due, but beyond the size of the batch."""
    passed_over: int = 0
    """Number of files of levels, products or versions that the target does not accept, or that are not products."""


def read_blacklist(path: Path) -> frozenset[str]:
    """Names in a text file, one per line; blank lines and those that begin with # are ignored.

    A name may be quoted or have a folder before it; a mark of the byte order before the first is ignored.

    Raises
    ------
    OSError
        If the file cannot be read, or is not UTF-8: a name that is not understood would be delivered.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise OSError(f"{path} is not UTF-8 text: {error}") from error
    lines = (line.strip().strip("\"'").strip() for line in text.splitlines())
    return frozenset(line.replace("\\", "/").rpartition("/")[2] for line in lines if line and not line.startswith("#"))


def version_wanted(name: ProductName, wanted: Collection[str]) -> bool:
    """Whether a version is in a list.

    A number means the version whether or not the file still grows; with U, only growing files are meant.

    Examples
    --------
    >>> name = ProductName.parse("solo_L1_stix-ql-lightcurve_20210116_V02U.fits")
    >>> [version_wanted(name, [text]) for text in ("*", "2", "02", "V02U", "3", "03U")]
    [True, True, True, True, False, False]
    """
    for text in wanted:
        if text == "*":
            return True
        number = text.upper().removeprefix("V")
        growing = number.endswith("U")
        digits = number.removesuffix("U")
        if digits.isdigit() and int(digits) == name.version and (name.incomplete or not growing):
            return True
    return False


def wanted(name: ProductName, rules: Rules) -> bool:
    """Whether a target accepts files of this level, product and version.

    Examples
    --------
    >>> name = ProductName.parse("solo_L1_stix-ql-lightcurve_20210116_V02U.fits")
    >>> wanted(name, Rules()), wanted(name, Rules(levels=frozenset({"L0"})))
    (True, False)
    """
    return (
        (name.level in rules.levels or "*" in rules.levels)
        and ("*" in rules.products or name.family in rules.products or name.kind in rules.products)
        and version_wanted(name, rules.versions)
    )


def is_due(name: ProductName, made_at: datetime.datetime, rules: Rules, now: datetime.datetime) -> bool:
    """Whether a file is old enough."""
    return now - made_at >= (rules.waiting_low_latency if name.is_low_latency else rules.waiting)


def named(candidates: Iterable[Candidate], rules: Rules) -> tuple[list[tuple[ProductName, Candidate]], int]:
    """Candidates that the target accepts, and how many it does not.

    If a file exists both as growing and as complete, only the one that was made last is used.
    """
    found: dict[str, tuple[ProductName, Candidate]] = {}
    passed = 0
    for candidate in candidates:
        try:
            name = ProductName.parse(candidate.path.name)
        except NotAProductName:
            passed += 1
            continue
        if not wanted(name, rules):
            passed += 1
            continue
        twin = found.get(str(name.complete))
        if twin is None:
            found[str(name.complete)] = (name, candidate)
            continue
        passed += 1
        if _made(candidate) > _made(twin[1]):
            found[str(name.complete)] = (name, candidate)
    return list(found.values()), passed


def _made(candidate: Candidate) -> datetime.datetime:
    if candidate.made_at is not None:
        return candidate.made_at
    return datetime.datetime.fromtimestamp(candidate.path.stat().st_mtime, datetime.UTC)


def select(
    files: Iterable[tuple[ProductName, Candidate]],
    rules: Rules,
    now: datetime.datetime,
    *,
    passed_over: int = 0,
) -> Selection:
    """Select the files that a run decides on.

    Parameters
    ----------
    files : iterable of (name, candidate)
        Candidates with `made_at` set; the caller omits those that no longer need a decision.
    rules : Rules
    now : datetime
        With a time zone.
    passed_over : int
        Count to pass on.

    Returns
    -------
    Selection
        Ordered by path, or by creation time, so that a run does not depend on how the folder is listed.
    """
    if rules.order == "made":
        ordered = sorted(files, key=lambda item: (_made(item[1]), item[1].key))
    else:
        ordered = sorted(files, key=lambda item: item[1].key)
    due = [item for item in ordered if is_due(item[0], _made(item[1]), rules, now)]
    waiting = [item for item in ordered if not is_due(item[0], _made(item[1]), rules, now)]
    size = len(due) if rules.batch_size < 0 else rules.batch_size
    return Selection(due[:size], waiting, due[size:], passed_over)


def files_below(folder: Path) -> list[Candidate]:
    """All product files below a folder; temporary files (a leading dot) are ignored."""
    found = [path for pattern in ("solo_*.svg", "solo_*.fits") for path in folder.rglob(pattern) if path.is_file()]
    return [Candidate(path, relative=path.relative_to(folder).as_posix()) for path in sorted(found)]
