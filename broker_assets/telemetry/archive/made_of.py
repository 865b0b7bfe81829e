"""Provenance in the header of a file: versions of the code and of each input for the day of the data.

The same versions are in the database (provenance) and are the data versions of the inputs' assets, so a file on any
disk can be compared with the current versions. They are written as HISTORY, because no reader of the archive knows
keywords for them.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from broker_assets.telemetry.archive.code_versions import file_code_version
from broker_assets.telemetry.archive.input_versions import (
    CONFIGURATION,
    DATABASE,
    KERNELS,
    PLAN,
    REQUESTS,
    InputVersions,
)
from broker_assets.telemetry.products.levels.level0 import Inputs

_LEVEL0: Final = (DATABASE, CONFIGURATION)
_ABOVE: Final = (DATABASE, CONFIGURATION, KERNELS, PLAN)


@dataclass
class Provenance:
    """Versions by day, each determined once."""

    inputs: Inputs
    _versions: InputVersions = field(init=False)
    _known: dict[tuple[datetime.date, tuple[int, ...]], dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._versions = InputVersions(self.inputs)

    def lines(self, level: str, stem: str, day: datetime.date, requests: Collection[int] = ()) -> tuple[str, ...]:
        """Lines of HISTORY for a file.

        Parameters
        ----------
        level, stem : str
            As in the name of the file.
        day : date
            Observation day.
        requests : collection of int
            Request that it answers, if it does.
        """
        key = (day, tuple(sorted(requests)))
        if key not in self._known:
            self._known[key] = self._versions.of(day, requests)
        found = self._known[key]
        names = _LEVEL0 if level == "L0" else _ABOVE
        if requests:
            names = (*names, REQUESTS)
        code = file_code_version(level, stem, self.inputs.versions)
        return (f"made by {code}", *(f"made with {name} {found[name]}" for name in names if name in found))
