"""Sources and rules that the tests of association put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from broker_assets.context.association import Index
from broker_assets.context.catalogue import Sources
from broker_assets.context.description import published
from broker_assets.context.merging import merged
from broker_assets.context.rules import Rules

Associate = Callable[..., list[dict[str, Any]]]


def sources(*rows: Mapping[str, Any]) -> Sources:
    """Sources from their known values; without a name they are numbered."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    columns.setdefault("identifier", [f"S{number}" for number in range(len(rows))])
    return Sources.of(pa.table(columns))


@pytest.fixture(name="sources")
def _sources() -> Callable[..., Sources]:
    return sources


@pytest.fixture
def associate() -> Associate:
    """Everything about one position, by default at (10, 20) degrees, by rank."""

    def run(rules: Rules, catalogues: Mapping[str, Sources], *, ra: float = 10.0, dec: float = 20.0) -> list[Any]:
        matches = Index(rules, catalogues).matches(np.array([ra]), np.array([dec]))
        return published(merged(matches, rules)).to_pylist()

    return run
