"""A hierarchy of classes as arrays, and whether a reported class is right for a model of the simulation.

The four levels are broad (variable or not), general (recurring or not), category (SN-like, periodic) and exact. A class
is right for a model if it is the model's own class or one above it; how informative that is depends on the level of the
class.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broker_assets.numerals import whole

LEVELS: Final = ("broad", "general", "category", "exact")
"""Levels, from the least to the most specific."""
TAXONOMIES: Final = ("elasticc2", "elasticc")
"""Taxonomies in the package, as files next to this module; a new database begins with them."""


class TaxonomyError(ValueError):
    """A taxonomy is inconsistent or unknown."""


@dataclass(frozen=True)
class Taxonomy:
    """Classes, ascending, and the models of the simulation."""

    name: str
    classid: NDArray[np.int64]
    """(n,) number of the class, ascending."""
    parent: NDArray[np.int64]
    """(n,) index of the parent class in these arrays; -1: there is none."""
    description: tuple[str, ...]
    """(n,) name of the class."""
    gentype: NDArray[np.int64]
    """(m,) models, ascending."""
    gentype_class: NDArray[np.int64]
    """(m,) index of the one class that is exactly right for the model."""

    @classmethod
    def of(cls, name: str, rows: Iterable[Mapping[str, Any]]) -> Self:
        """Create a taxonomy from rows with `classid`, `parent`, `description` and `gentypes`.

        Parameters
        ----------
        name : str
            Name of the taxonomy.
        rows : iterable of mapping
            `parent` is None or empty at the top; `gentypes` are numbers, or a text with numbers separated by blanks.

        Raises
        ------
        TaxonomyError
            If there is no class, a class occurs twice, has no description, or has a number that messages cannot report,
            its parent is missing or below it, or a model has two classes.
        """
        found = sorted(
            ({**row, "classid": _number(row["classid"], f"{name}: classid", 2**15)} for row in rows),
            key=lambda row: int(row["classid"]),
        )
        if not found:
            raise TaxonomyError(f"{name}: there is no class")
        classid = np.array([row["classid"] for row in found], np.int64)
        for row in found:
            if not str(row["description"] or "").strip():
                raise TaxonomyError(f"{name}: class {row['classid']} has no description")
        place = {int(number): at for at, number in enumerate(classid)}
        if len(place) < len(classid):
            raise TaxonomyError(f"{name}: a class is listed twice")
        above = [
            None if row["parent"] is None or not str(row["parent"]).strip()
            else _number(row["parent"], f"{name}: parent of class {row['classid']}", 2**15)
            for row in found
        ]  # fmt: skip
        unknown = [item for item in above if item is not None and item not in place]
        if unknown:
            raise TaxonomyError(f"{name}: class {unknown[0]} is the parent of a class, and not there itself")
        parent = np.array([-1 if item is None else place[item] for item in above], np.int64)
        models = [
            (_number(gentype, f"{name}: model of class {row['classid']}", 2**31), at)
            for at, row in enumerate(found)
            for gentype in _gentypes(row["gentypes"])
        ]
        models.sort()
        gentype = np.array([model for model, _ in models], np.int64)
        if len(np.unique(gentype)) < len(gentype):
            raise TaxonomyError(f"{name}: a model has two classes")
        taxonomy = cls(
            name,
            classid,
            parent,
            tuple(str(row["description"]) for row in found),
            gentype,
            np.array([at for _, at in models], np.int64),
        )
        if (taxonomy.level < 0).any():
            raise TaxonomyError(f"{name}: a class is below itself")
        return taxonomy

    @cached_property
    def _lineage(self) -> NDArray[np.int64]:
        """(n, depth) indices of each class and of those above it, from the bottom; -1 after the top."""
        columns = [np.arange(len(self.classid))]
        while (columns[-1] >= 0).any() and len(columns) <= len(self.classid):
            last = columns[-1]
            columns.append(np.where(last >= 0, self.parent[last], -1))
        return np.stack(columns, axis=1)

    @cached_property
    def level(self) -> NDArray[np.int64]:
        """(n,) number of classes above each class; -1 if it is below itself."""
        lineage = self._lineage
        circular = lineage[:, -1] >= 0
        return np.where(circular, -1, (lineage >= 0).sum(axis=1) - 1)

    @cached_property
    def rank(self) -> NDArray[np.int64]:
        """(n,) index in `LEVELS` of each class.

        The own classes of models are exact, however deep they are. The others count from the top or, in a taxonomy of
        fewer levels, from the bottom: a class that is added below one changes no other.
        """
        exact = len(LEVELS) - 1
        counted = np.minimum(self.level + max(exact - int(self.level.max(initial=0)), 0), exact)
        parents = np.isin(np.arange(len(counted)), self.parent)
        counted[parents] = np.minimum(counted[parents], exact - 1)
        counted[self.gentype_class] = exact
        return counted

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """(n, m) whether a class is right for a model, at least partly."""
        matrix = np.zeros((len(self.classid), len(self.gentype)), bool)
        for above in self._lineage[self.gentype_class].T:
            known = above >= 0
            matrix[above[known], np.flatnonzero(known)] = True
        return matrix

    def says(self, level: str) -> NDArray[np.bool_]:
        """(n,) whether a class has models and is at least as specific as a level.

        Raises
        ------
        TaxonomyError
            If there is no such level.
        """
        if level not in LEVELS:
            raise TaxonomyError(f"there is no level {level!r}; there are {', '.join(LEVELS)}")
        return self.right.any(axis=1) & (self.rank >= LEVELS.index(level))

    def matches(self, classid: ArrayLike, gentype: ArrayLike, level: str = "broad") -> NDArray[np.bool_]:
        """Whether reported classes are right for models, and at least as specific as a level.

        Parameters
        ----------
        classid, gentype : integer array
            Reported classes and true models, which are broadcast against each other; unknown ones match nothing.
        level : str
            One of `LEVELS`: "exact" asks for the model's own class, "broad" for any right one.

        Returns
        -------
        boolean array

        Examples
        --------
        >>> elasticc2 = read_taxonomy("elasticc2")
        >>> elasticc2.matches([2222, 2220, 2200, 2000, 2223, 1], 10)
        array([ True,  True,  True,  True, False, False])
        >>> elasticc2.matches([2222, 2220, 2200, 2000], 10, "category")
        array([ True,  True, False, False])
        """
        says = self.says(level)
        reported, true = np.broadcast_arrays(np.asarray(classid, np.int64), np.asarray(gentype, np.int64))
        row, known_class = _find(self.classid, reported)
        column, known_model = _find(self.gentype, true)
        if not self.gentype.size or not self.classid.size:
            return np.zeros(reported.shape, bool)
        right = self.right[row, column] & says[row]
        if level == LEVELS[-1]:
            right &= self.gentype_class[column] == row  # the own class of one model may be above that of another
        return known_class & known_model & right

    def true_class(self, gentype: ArrayLike) -> NDArray[np.int64]:
        """The exact class of models; -1 for models without one.

        Examples
        --------
        >>> read_taxonomy("elasticc2").true_class([10, 21, 98])
        array([2222, 2223,   -1])
        """
        place, known = _find(self.gentype, np.asarray(gentype, np.int64))
        if not self.gentype.size:
            return np.full(np.shape(gentype), -1, np.int64)
        return np.where(known, self.classid[self.gentype_class[place]], -1)

    def classes(self) -> list[dict[str, Any]]:
        """Rows of `taxonomy_classes`, without taxonomy and version."""
        flags = {level: self.says(level) for level in LEVELS}
        return [
            {
                "classid": int(number),
                "parent": None if self.parent[at] < 0 else int(self.classid[self.parent[at]]),
                "description": self.description[at],
                "level": int(self.level[at]),
                **{f"{level}match": bool(flags[level][at]) for level in ("exact", "category", "general", "broad")},
            }
            for at, number in enumerate(self.classid)
        ]

    def exact(self) -> list[tuple[int, int | None]]:
        """Exact class and model, for each model; class and None, for each class without a model of its own."""
        own = [(int(self.classid[at]), int(model)) for model, at in zip(self.gentype, self.gentype_class, strict=True)]
        without = set(self.classid.tolist()) - {number for number, _ in own}
        rows: list[tuple[int, int | None]] = [*own, *((number, None) for number in without)]
        return sorted(rows, key=lambda row: (row[0], row[1] or 0))

    def partial(self) -> list[tuple[int, int]]:
        """Pairs of class and model for which the class is right, at least partly."""
        rows, columns = np.nonzero(self.right)
        return list(zip(self.classid[rows].tolist(), self.gentype[columns].tolist(), strict=True))

    @property
    def digest(self) -> str:
        """SHA-256 of the classes and models: taxonomies with equal digests are equal."""
        content = json.dumps([self.classes(), self.exact()], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()


def read_taxonomy(name: str) -> Taxonomy:
    """Read a taxonomy of the package.

    Raises
    ------
    TaxonomyError
        If there is no such taxonomy.
    """
    if name not in TAXONOMIES:
        raise TaxonomyError(f"there is no taxonomy {name!r}; there are {', '.join(TAXONOMIES)}")
    text = resources.files(__package__).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return Taxonomy.of(name, csv.DictReader(text.splitlines()))


def _gentypes(given: Any) -> list[Any]:
    return list(given.split() if isinstance(given, str) else given or ())


def _number(given: Any, what: str, limit: int) -> int:
    try:
        number = whole(given) if isinstance(given, str) else int(given)
    except (TypeError, ValueError):
        raise TaxonomyError(f"{what}: {given!r} is not a whole number") from None
    if not 0 <= number < limit:
        raise TaxonomyError(f"{what}: {number} is not between 0 and {limit - 1}")
    return number


def _find(known: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Index of numbers in ascending ones, and whether they are present."""
    if not known.size:
        return np.zeros(wanted.shape, np.int64), np.zeros(wanted.shape, bool)
    at = np.minimum(np.searchsorted(known, wanted), known.size - 1)
    return at, known[at] == wanted
