"""The rules of association: which catalogues are searched, how far, and what a match means; read from YAML."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from broker_assets.context.catalogue import NUMBERS, Sources
from broker_assets.storage.yaml_files import read_yaml

DEFAULT: Final = Path(__file__).with_name("rules.yaml")

CLASSES: Final = ("AGN", "CV", "NT", "SN", "VS", "BS", "HPMS", "UNCLEAR")
"""Classes of matches, in order of preference among equally good ones."""
ORPHAN: Final = "ORPHAN"
"""Class of a position without any match."""

LARGEST_RADIUS: Final = 36_000.0
"""Arcseconds."""


class RulesError(ValueError):
    """A rule is invalid; the message says which and why."""


@dataclass(frozen=True)
class Search:
    """One search in one catalogue."""

    catalogue: str
    """Name of the catalogue."""
    kind: str
    """What its sources are: star, galaxy, agn, qso, cv, unknown."""
    radius: float
    """Arcseconds."""
    synonym: str | None = None
    """Class of a position that coincides with a source."""
    association: str | None = None
    """Class of a position that is near a source."""
    annotation: str | None = None
    """Class of a position that is near a source and near nothing else."""
    synonym_radius: float = 1.3
    """Arcseconds within which a position coincides with a source."""
    stop_on_synonym: bool = False
    """Whether a position that coincides with a source is not searched further."""
    kiloparsecs: float | None = None
    """Greatest projected distance from a galaxy, which must have a distance or a redshift."""
    within_axis: bool = False
    """Whether the position must lie within the galaxy's ellipse."""
    axis_needs_magnitude: float | None = None
    """If given, sizes are only trusted for galaxies brighter than this, or with a redshift."""
    accuracy: int = 100
    """Rank of the catalogue by accuracy: the lowest is preferred."""
    where: dict[str, tuple[float, float]] | None = None
    """Columns with the closed intervals in which their values must lie."""
    kinds: tuple[str, ...] = ()
    """Types of sources, as the catalogue names them, to which the search is limited; all if empty."""
    known: tuple[str, ...] = ()
    """Columns in which a source must have a value."""
    not_larger: tuple[str, ...] = ()
    """Identifiers of sources with misleading sizes, which never match by their ellipse."""

    def selects(self, sources: Sources) -> NDArray[np.bool_]:
        """Which sources are searched; (n,) bool array."""
        chosen = np.ones(len(sources), bool)
        for name, (low, high) in (self.where or {}).items():
            values = getattr(sources, name)
            chosen &= (values >= low) & (values <= high)
        for name in self.known:
            chosen &= np.isfinite(getattr(sources, name))
        if self.kinds:
            chosen &= np.isin(np.asarray(sources.kind.fill_null("").to_numpy(zero_copy_only=False)), self.kinds)
        if self.within_axis:
            chosen &= np.isfinite(sources.major_axis)
        return chosen


@dataclass(frozen=True)
class Rules:
    """All searches, in their order."""

    searches: tuple[Search, ...]
    first_names: tuple[str, ...] = ()
    """Catalogues that are named first if a source is in several."""

    @property
    def version(self) -> str:
        """Hash of the rules: eight hexadecimal digits."""
        content = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]

    @property
    def catalogues(self) -> tuple[str, ...]:
        """The catalogues that are searched, in the order of their first search."""
        return tuple(dict.fromkeys(search.catalogue for search in self.searches))

    def absent(self, present: set[str]) -> list[str]:
        """Catalogues that the rules name but that are not loaded: their searches find nothing."""
        return [name for name in self.catalogues if name not in present]


def read_rules(path: Path = DEFAULT) -> Rules:
    """Read rules.

    Parameters
    ----------
    path : Path
        A YAML file: see `rules.yaml` in this folder, which explains each key.

    Raises
    ------
    RulesError
        If the file is not YAML, or has an invalid search; the message says which and why.
    """
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RulesError(f"{path.name} is not a YAML file: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("searches"), list):
        raise RulesError(f"{path.name} has no list of `searches`")
    defaults = content.get("defaults") or {}
    searches = tuple(
        _search(f"{path.name}, search {number}", {**defaults, **entry} if isinstance(entry, dict) else entry)
        for number, entry in enumerate(content["searches"], 1)
    )
    return Rules(searches, tuple(content.get("first_names") or ()))


def _search(where: str, entry: Any) -> Search:
    if not isinstance(entry, dict):
        raise RulesError(f"{where}: not a mapping")
    names = Search.__dataclass_fields__
    unknown = [name for name in entry if name not in names]
    if unknown:
        raise RulesError(f"{where}: {', '.join(map(repr, unknown))} means nothing; known words: {', '.join(names)}")
    for name in ("catalogue", "kind", "radius"):
        if name not in entry:
            raise RulesError(f"{where}: {name} is absent")
    values = dict(entry)
    for name in ("kinds", "known", "not_larger"):
        if name in values:
            values[name] = tuple(map(str, values[name]))
    intervals = {str(name): tuple(map(float, pair)) for name, pair in (values.get("where") or {}).items()}
    values["where"] = intervals or None
    for name in (*intervals, *values.get("known", ())):
        if name not in NUMBERS:
            raise RulesError(f"{where}: a catalogue has no number {name!r}; there are {', '.join(NUMBERS)}")
    for name, pair in intervals.items():
        if len(pair) != 2 or not pair[0] <= pair[1]:
            raise RulesError(f"{where}: the interval of {name} is {pair}; it needs a lower and an upper end")
    search = Search(**values)
    for name in ("radius", "synonym_radius"):
        value = getattr(search, name)
        if not isinstance(value, int | float) or not 0.0 < value <= LARGEST_RADIUS or math.isnan(value):
            raise RulesError(
                f"{where}: {name} is {value!r}; it must be above 0 and at most {LARGEST_RADIUS:.0f} arcsec"
            )
    classes = [name for name in (search.synonym, search.association, search.annotation) if name is not None]
    if not classes:
        raise RulesError(f"{where}: none of synonym, association, annotation has a class")
    for name in classes:
        if name not in CLASSES:
            raise RulesError(f"{where}: {name!r} is not a class; there are {', '.join(CLASSES)}")
    return search
