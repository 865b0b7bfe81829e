"""The sky context of a single position, with every association by rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from broker_assets.context.association import Index
from broker_assets.context.description import ORPHAN_SENTENCE, classes, published
from broker_assets.context.footprint import sources_near
from broker_assets.context.merging import merged
from broker_assets.context.rules import Rules
from broker_assets.context.store import Catalogue


@dataclass(frozen=True)
class PositionContext:
    """The sky context of a position."""

    classification: str
    """Class by the best association; `ORPHAN` if there is none."""
    description: str
    """Sentence about the best association."""
    crossmatches: list[dict[str, Any]]
    """Associations, the best first, each with its `rank`; the columns of `description.published`."""


def context_at(
    rules: Rules, catalogues: Mapping[str, Catalogue], ra: float, dec: float, *, epoch: float
) -> PositionContext:
    """Associate a position with the sources of catalogues.

    Parameters
    ----------
    rules, catalogues : Rules, mapping of str to Catalogue
        The rules to apply, and the catalogues to search.
    ra, dec : float
        ICRS, degrees; `ra` in [0, 360), `dec` from −90 to 90.
    epoch : float
        Julian year; sources with proper motion are moved to it.
    """
    position = np.array([ra]), np.array([dec])
    found = merged(Index(rules, sources_near(rules, catalogues, *position, epoch=epoch)).matches(*position), rules)
    labels, _ = classes(found, 1)
    rows = published(found).drop_columns(["position"]).to_pylist()
    rows.sort(key=lambda row: row["rank"])
    return PositionContext(labels[0].as_py(), rows[0]["description"] if rows else ORPHAN_SENTENCE, rows)
