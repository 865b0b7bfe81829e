"""The catalogues and rules in force, kept open between batches of alerts, and associations with them.

Small catalogues stay in memory, ordered for their searches. From large ones, the sources near the positions of a batch
are read for that batch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.context.association import Index, Part, parts
from broker_assets.context.catalogue import Sources
from broker_assets.context.description import ORPHAN_SENTENCE, classes, published
from broker_assets.context.footprint import goes_far, sources_near
from broker_assets.context.loading import CatalogueError
from broker_assets.context.merging import merged
from broker_assets.context.rules import DEFAULT, Rules, RulesError, read_rules
from broker_assets.context.store import Catalogue, CatalogueStore
from broker_assets.storage.versioned import DamagedVersion

logger = logging.getLogger(__name__)

RESIDENT_ROWS: Final = 1_500_000
"""Number of sources that stay in memory, over all catalogues; some 160 bytes each."""
RESIDENT_SHARE: Final = 0.3
"""Share of a catalogue, summed over batches, that is read from disk before it is loaded into memory."""
EPOCH_STEP: Final = 0.1
"""Years: epochs are rounded to this when stars are moved by their proper motion. Barnard's Star, the fastest, moves 0.5
arcseconds in half of it."""


class CatalogueDamagedError(OSError):
    """A catalogue cannot be read, which is not the fault of any alert."""


@dataclass
class Opened:
    """Some versions of catalogues, opened; safe for several threads.

    Attributes
    ----------
    rules : Rules
        Rules by which the catalogues are searched.
    catalogues : mapping of str to Catalogue
        Those that the rules search, by name.
    """

    rules: Rules
    catalogues: Mapping[str, Catalogue]
    _resident: dict[str, Sources] = field(default_factory=dict)
    _still: dict[str, list[Part]] = field(default_factory=dict)
    """Ordered sources of resident catalogues without proper motions."""
    _moved: dict[tuple[str, float], list[Part]] = field(default_factory=dict)
    """Ordered sources of resident catalogues with proper motions, by epoch; one epoch at a time is kept."""
    _read: dict[str, float] = field(default_factory=dict)
    """Share of each catalogue that was read for batches so far."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the catalogues, by name."""
        return {name: catalogue.version for name, catalogue in self.catalogues.items()}

    def keep(self, other: Opened) -> None:
        """Take over catalogues of the same versions that another one, with the same rules, has in memory."""
        same = [name for name, version in self.versions.items() if other.versions.get(name) == version]
        with other._lock:
            self._resident |= {name: other._resident[name] for name in same if name in other._resident}
            self._still |= {name: other._still[name] for name in same if name in other._still}

    def associate(self, ra: NDArray[np.float64], dec: NDArray[np.float64], epoch: NDArray[np.float64]) -> pa.Table:
        """The best association of each position.

        Parameters
        ----------
        ra, dec : (n,) float64 arrays
            ICRS, degrees; `ra` in [0, 360).
        epoch : (n,) float64 array
            Julian year of each.

        Returns
        -------
        (n,) pyarrow.Table
            The columns of `description.published` in the order of the positions; for an orphan, all but class and
            description are null.

        Raises
        ------
        CatalogueDamagedError
            If a catalogue cannot be read.
        """
        rounded = np.round(epoch / EPOCH_STEP)
        tables, order = [], []
        try:
            for year in np.unique(rounded):
                rows = np.flatnonzero(rounded == year)
                tables.append(self._associate(ra[rows], dec[rows], float(year) * EPOCH_STEP))
                order.append(rows)
        except pa.ArrowException as error:
            raise CatalogueDamagedError(f"a catalogue cannot be read: {error}") from error
        if len(tables) == 1:
            return tables[0]
        place = np.argsort(np.concatenate(order), kind="stable") if order else np.zeros(0, np.int64)
        return pa.concat_tables(tables or [self._associate(ra, dec, 2000.0)]).take(pa.array(place))

    def _associate(self, ra: NDArray[np.float64], dec: NDArray[np.float64], epoch: float) -> pa.Table:
        ordered: list[Part] = []
        large = {}
        for name, catalogue in self.catalogues.items():
            if self._is_resident(name, catalogue, ra, dec):
                ordered += self._ordered(name, catalogue, epoch)
            else:
                large[name] = catalogue
        near = sources_near(self.rules, large, ra, dec, epoch=epoch)
        found = merged(Index(self.rules, near, ordered).matches(ra, dec), self.rules)
        labels, place = classes(found, len(ra))
        best = place[place >= 0]
        rows = published(found.take(best)).drop_columns(["position", "rank"])
        at = np.full(len(ra), -1)
        at[place >= 0] = np.arange(len(best))
        taken = rows.take(pa.array(at, mask=at < 0))
        sentences = pc.fill_null(taken["description"], ORPHAN_SENTENCE)
        taken = taken.set_column(taken.column_names.index("description"), "description", sentences)
        return taken.set_column(taken.column_names.index("classification"), "classification", labels)

    def _is_resident(self, name: str, catalogue: Catalogue, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> bool:
        """Whether a catalogue is in memory or should be loaded now. Loading takes seconds, which short runs avoid."""
        if name in self._resident:
            return True
        held = sum(len(sources) for sources in list(self._resident.values()))
        if held + catalogue.rows > RESIDENT_ROWS:
            return False
        self._read[name] = self._read.get(name, 0.0) + catalogue.share_near(ra, dec)
        return self._read[name] > RESIDENT_SHARE

    def _ordered(self, name: str, catalogue: Catalogue, epoch: float) -> list[Part]:
        """The sources of a resident catalogue for its searches."""
        with self._lock:
            if name in self._still:
                return self._still[name]
            if (name, epoch) in self._moved:
                return self._moved[name, epoch]
            if name not in self._resident:
                goes_far(self.rules, name)  # raises for small catalogues what it raises for large ones
                self._resident[name] = catalogue.all()
            sources = self._resident[name]
            found = parts(self.rules, name, sources.at(epoch))
            if np.isfinite(sources.pmra).any():
                self._moved = {key: value for key, value in self._moved.items() if key[0] != name}
                self._moved[name, epoch] = found
            else:
                self._still[name] = found
            return found


class CataloguesInForce:
    """The catalogues of a folder and the rules of a file, as they are now.

    Parameters
    ----------
    folder : Path
        See `CatalogueStore`.
    rules : Path, optional
        YAML file; default: the rules of the package.
    """

    def __init__(self, folder: Path, rules: Path | None = None) -> None:
        self.store = CatalogueStore(folder)
        self._path = rules or DEFAULT
        self._read: tuple[tuple[int, int], Rules] | None = None
        self._opened: Opened | None = None
        self._lock = threading.Lock()

    @property
    def rules(self) -> Rules:
        """The rules; read again when their file changes.

        Raises
        ------
        RulesError
            If they cannot be read the first time. If the file is damaged later, the rules read before stay in force.
        """
        with self._lock:
            try:
                status = self._path.stat()
                stamp = status.st_mtime_ns, status.st_size
                if self._read is None or self._read[0] != stamp:
                    self._read = stamp, read_rules(self._path)
            except (RulesError, OSError) as error:
                if self._read is None:
                    raise RulesError(f"{self._path} cannot be read: {error}") from error
                logger.warning("the rules of before stay in force: %s", error)
            return self._read[1]

    def versions(self) -> dict[str, str]:
        """Versions of the loaded catalogues that the rules search, by name."""
        return self.store.versions(self.rules.catalogues)

    def opened(self) -> Opened:
        """The catalogues in force, opened; those that have not changed stay open.

        Raises
        ------
        CatalogueDamagedError
            If one cannot be opened.
        """
        rules, versions = self.rules, self.versions()
        with self._lock:
            known = self._opened
            if known is not None and known.versions == versions and known.rules == rules:
                return known
            before = known.catalogues if known is not None else {}
            try:
                catalogues = {
                    name: before[name] if name in before and before[name].version == version else self.store.open(name)
                    for name, version in versions.items()
                }
            except (DamagedVersion, CatalogueError, pa.ArrowException) as error:
                raise CatalogueDamagedError(f"a catalogue cannot be read: {error}") from error
            self._opened = Opened(rules, catalogues)
            if known is not None and known.rules == rules:
                self._opened.keep(known)
            return self._opened
