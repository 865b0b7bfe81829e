"""The rule that assigns a class of the taxonomy to a statement, and decides which classes contradict each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import yaml
from numpy.typing import NDArray

from broker_assets.storage.yaml_files import read_yaml
from broker_assets.tom.taxonomy.hierarchy import Taxonomy

_KEYS: Final = {"taxonomy", "probability", "names", "context"}
_OPTIONAL: Final = {"silent"}


class RuleError(ValueError):
    """A file is not a valid rule."""


@dataclass(frozen=True)
class Rule:
    """Meaning of statements."""

    taxonomy: Taxonomy
    probability: float
    """Least probability of a statement."""
    names: Mapping[str, int]
    """Class by the first words of a text, in lower case."""
    context: Mapping[str, int]
    """Class by the classification of the association."""
    silent: tuple[int, ...] = ()
    """Classes that say nothing about an object, with the classes below them."""

    @classmethod
    def read(cls, taxonomy: Taxonomy, path: Path | None = None) -> Self:
        """Read a rule; by default the one of the package.

        Raises
        ------
        RuleError
            If the file is not a rule, or names a class that the taxonomy does not have.
        """
        place = path or resources.files(__package__).joinpath("rule.yaml")
        try:
            given = read_yaml(place.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise RuleError(f"{place}: not YAML: {error}") from None
        return cls.of(taxonomy, given, str(place))

    @classmethod
    def of(cls, taxonomy: Taxonomy, given: Any, name: str = "the rule") -> Self:
        """A rule from the content of a file.

        Raises
        ------
        RuleError
            See `read`.
        """
        if not isinstance(given, dict) or set(given) - _OPTIONAL != _KEYS:
            raise RuleError(
                f"{name}: a rule has exactly the entries {', '.join(sorted(_KEYS))}, and may have"
                f" {', '.join(sorted(_OPTIONAL))}"
            )
        if given["taxonomy"] != taxonomy.name:
            raise RuleError(f"{name}: it is for the taxonomy {given['taxonomy']!r}, and {taxonomy.name!r} is used")
        probability = given["probability"]
        if not isinstance(probability, int | float) or not 0.0 <= probability <= 1.0:
            raise RuleError(f"{name}: probability is {probability!r}, not a number from 0 to 1")
        known = set(taxonomy.classid.tolist())
        for part in ("names", "context"):
            entries = given[part]
            if not isinstance(entries, dict):
                raise RuleError(f"{name}: {part} is not a list of texts with their classes")
            for text, classid in entries.items():
                if classid not in known:
                    raise RuleError(f"{name}: {part}: {text}: the taxonomy has no class {classid}")
        silent = given.get("silent", [])
        if not isinstance(silent, list) or any(classid not in known for classid in silent):
            raise RuleError(f"{name}: silent: {silent!r} is not a list of classes of the taxonomy")
        names = {str(text).lower(): int(classid) for text, classid in given["names"].items()}
        for description, classid in zip(taxonomy.description, taxonomy.classid.tolist(), strict=True):
            names.setdefault(description.lower(), classid)
        context = {str(key): int(one) for key, one in given["context"].items()}
        return cls(taxonomy, float(probability), names, context, tuple(map(int, silent)))

    def meaning(self, text: str) -> int | None:
        """The class that a text means: that of the longest name with which it begins, as whole words.

        Examples
        --------
        >>> from broker_assets.tom.taxonomy.hierarchy import read_taxonomy
        >>> rule = Rule.read(read_taxonomy("elasticc2"))
        >>> [rule.meaning(text) for text in ("SN Ia", "sn ia-91T-like", "SN II-pec", "SNe", "Galaxy")]
        [2222, 2222, 2224, None, None]
        """
        said = " ".join(text.split()).lower()
        for end in range(len(said), 0, -1):
            whole = end == len(said) or not said[end].isalnum()
            if whole and (found := self.names.get(said[:end])) is not None:
                return found
        return None

    @cached_property
    def compatible(self) -> NDArray[np.int64]:
        """(k, 2) int64 array: pairs of classes of which one contains the other, including each class with itself."""
        above = [(int(one), int(other)) for one in self.taxonomy.classid for other in self._lineage(int(one))]
        return np.array(sorted({*above, *((other, one) for one, other in above)}), np.int64).reshape(-1, 2)

    @cached_property
    def speaking(self) -> frozenset[int]:
        """Classes of the taxonomy that say something about an object."""
        silent = set(self.silent)
        return frozenset(one for one in self.taxonomy.classid.tolist() if silent.isdisjoint(self._lineage(one)))

    def _lineage(self, classid: int) -> list[int]:
        place = int(np.searchsorted(self.taxonomy.classid, classid))
        found = []
        while place >= 0:
            found.append(int(self.taxonomy.classid[place]))
            place = int(self.taxonomy.parent[place])
        return found

    @property
    def version(self) -> str:
        """Hash of the rule and the taxonomy."""
        content = [self.taxonomy.digest, self.probability, sorted(self.names.items()), sorted(self.context.items())]
        content.append(sorted(self.silent))
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()
