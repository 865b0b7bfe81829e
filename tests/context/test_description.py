"""What is said of a position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from broker_assets.context.association import Index
from broker_assets.context.catalogue import Sources
from broker_assets.context.description import classes
from broker_assets.context.merging import merged
from broker_assets.context.rules import read_rules

RULES = read_rules()


@pytest.mark.parametrize(
    ("catalogue", "source", "sentence"),
    [
        (
            "vsx",
            {"identifier": "RR Lyr", "dec": 20.0, "magnitude": 7.063, "band": "V"},
            "The position coincides with the star RR Lyr of 7.06 mag in V (vsx).",
        ),
        (
            "sdss_spec",
            {"identifier": "587739", "dec": 20.0 - 5 / 3600, "redshift": 0.1},
            "The position is near the galaxy 587739 (sdss_spec): 5.00″ north and 0.00″ east, 9.2 kpc in projection."
            " It is 460.3 Mpc away (m − M = 38.32) by its spectroscopic redshift.",
        ),
        (
            "gaia_bright",
            {"identifier": "Sirius", "dec": 20.0 + 5 / 3600, "magnitude": -1.46},
            "The position is near the bright star Sirius of -1.46 mag (gaia_bright): 5.00″ south and 0.00″ east.",
        ),
    ],
)
def test_sentences(
    associate: Callable[..., list[dict[str, Any]]],
    sources: Callable[..., Sources],
    catalogue: str,
    source: dict[str, Any],
    sentence: str,
) -> None:
    (row,) = associate(RULES, {catalogue: sources({"ra": 10.0, **source})})
    assert row["description"] == sentence


def test_each_position_has_one_class(sources: Callable[..., Sources]) -> None:
    index = Index(RULES, {"vsx": sources({"ra": 10.0, "dec": 20.0}), "sdss_phot": sources({"ra": 50.0, "dec": 0.0})})
    ra, dec = np.array([50.0, 200.0, 10.0]), np.array([0.0, 0.0, 20.0])
    found = merged(index.matches(ra, dec), RULES)
    labels, place = classes(found, 3)
    assert labels.to_pylist() == ["SN", "ORPHAN", "VS"]
    assert place.tolist() == [0, -1, 1]
    nothing = merged(Index(RULES, {}).matches(ra, dec), RULES)
    assert classes(nothing, 3)[0].to_pylist() == ["ORPHAN"] * 3
