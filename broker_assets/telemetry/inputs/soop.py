"""Planning keywords: the campaigns and observations to which a time belongs."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from broker_assets.telemetry.inputs.documents import bounded_json

Keyword = tuple[str, str, str]

COMMENTS: Final = {
    "OBS_MODE": "Observation mode",
    "OBS_TYPE": "Encoded version of OBS_MODE",
    "OBS_ID": "Unique ID of the individual observation",
    "SOOPNAME": "Name of the SOOP Campaign that the data belong to",
    "SOOPTYPE": "Campaign ID(s) that the data belong to",
    "TARGET": "Type of target from planning",
}
"""Keywords in the order in which defaults are in the header."""


_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}(?::\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?)?Z?", re.ASCII)


@dataclass(frozen=True)
class Interval:
    """A campaign or an observation, and what it adds to headers."""

    start: np.datetime64
    end: np.datetime64
    keywords: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Planning:
    """All known campaigns and observations."""

    campaigns: tuple[Interval, ...] = ()
    observations: tuple[Interval, ...] = ()

    @classmethod
    def of_folder(cls, folder: Path) -> Planning:
        """Read the exports `SSTX_observation_timeline_export_*.json` and the campaigns `<plan>.<version>.all.json`.

        For each plan, the highest internal version counts; of two exports of it, the one whose name comes first. A list
        of campaigns that is missing or empty counts as none.

        Raises
        ------
        OSError
            If there is no such folder.
        ValueError
            If a file is not readable; the message names it.
        """
        if not folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, "there is no folder of planning files", str(folder))
        plans: dict[str, tuple[int, dict[str, Any]]] = {}
        for path in sorted(folder.glob("SSTX_observation_timeline_export_*.json"), reverse=True):
            with _named(path):
                content = bounded_json(path)
                name, version = str(content["info"]["name"]), int(content["info"]["internalVersion"])
                if not name.isprintable() or not name or name != Path(name).name:
                    raise ValueError(f"{name[:40]!r} is not the name of a plan")
            if name not in plans or version >= plans[name][0]:
                plans[name] = version, content
        campaigns: list[Interval] = []
        observations: list[Interval] = []
        for name, (version, content) in plans.items():
            path = folder / f"{name}.{version}.all.json"
            with _named(path):
                listed = bounded_json(path) if path.is_file() and path.stat().st_size else {}
                campaigns += [_campaign(item) for item in listed.get("soops", ())]
            with _named(f"of {name}"):
                observations += [_observation(item) for item in content.get("observations", ())]
        return cls(tuple(campaigns), tuple(observations))

    def keywords(self, start: np.datetime64, end: np.datetime64) -> list[Keyword]:
        """Keywords of a time range: values of all that overlap it, distinct, sorted, joined; "none" without any.

        A product without duration (a single report, an event) overlaps nothing.

        Examples
        --------
        >>> Planning().keywords(np.datetime64("2021-01-01"), np.datetime64("2021-01-02"))[0][:2]
        ('OBS_MODE', 'none')
        """
        found: dict[str, set[str]] = {}
        for interval in (*self.campaigns, *self.observations):
            if start < end and interval.start < end and interval.end > start:
                for name, value in interval.keywords:
                    found.setdefault(name, set()).add(value)
        given = [(name, ";".join(sorted(values)), COMMENTS[name]) for name, values in found.items()]
        return given + [(name, "none", comment) for name, comment in COMMENTS.items() if name not in found]


@contextmanager
def _named(path: object) -> Iterator[None]:
    """Make all errors that the content of a file causes name the file."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"planning file {path} cannot be read: {error!r}") from error


def _interval(item: dict[str, Any], *keywords: tuple[str, str]) -> Interval:
    start, end = (_instant(item[name]) for name in ("startDate", "endDate"))
    return Interval(start, end, keywords)


def _instant(text: Any) -> np.datetime64:
    """A time in UTC; refuses texts without a date, which numpy reads as NaT, and offsets, which numpy ignores."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise ValueError(f"{str(text)[:40]!r} is not a date and time in UTC")
    return np.datetime64(text.rstrip("Z"))


def _campaign(item: dict[str, Any]) -> Interval:
    kind, name = str(item["encodedSoopType"]), str(item["soopType"])
    return _interval(item, ("TARGET", "none"), ("SOOPTYPE", kind), ("SOOPNAME", name))


def _observation(item: dict[str, Any]) -> Interval:
    identifiers = ";".join(str(identifier) for identifier in item["socIds"])
    kind = str(item["compositeId"]["obsType"])
    return _interval(item, ("OBS_ID", identifiers), ("OBS_TYPE", kind), ("OBS_MODE", str(item["name"])))
