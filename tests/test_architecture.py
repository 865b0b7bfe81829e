"""The paths through the code that docs/architecture.md describes exist in the code."""

from __future__ import annotations

import importlib
import re
import tomllib
from itertools import groupby
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[1] / "docs" / "architecture.md"
STEP = re.compile(r"^(\d+)\. .*?`([a-z_]+(?:\.[A-Za-z_]+)+)`")
MOST_STEPS = 8


def ways() -> list[list[str]]:
    """Names of the functions of each numbered list, in order."""
    steps = [match.groups() for line in DOCUMENT.read_text().splitlines() if (match := STEP.match(line))]
    begun = 0
    numbered = []
    for number, name in steps:
        begun += number == "1"
        numbered.append((begun, name))
    return [[name for _, name in group] for _, group in groupby(numbered, key=lambda item: item[0])]


def resolve(name: str) -> object:
    """Import a dotted name below the package."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: object = importlib.import_module(".".join(["broker_assets", *parts[:length]]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def test_layers_are_those_of_the_import_rules() -> None:
    """The picture has them, and the table of what belongs where has each of their packages."""
    contracts = tomllib.loads((DOCUMENT.parents[1] / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [sorted(re.findall(r"\w+", layer)) for layer in contracts[0]["layers"]]
    picture, _, rest = DOCUMENT.read_text().partition("\n## Layers")[2].partition("\n```\n")
    assert [sorted(names.split(", ")) for names in re.findall(r"\w\[([\w, ]+)\]", picture)] == layers
    rows = [line.split("|")[1] for line in rest.partition("\n\nNothing from")[0].splitlines() if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(name for layer in layers for name in layer)


def test_there_are_three_ways_of_at_most_eight_functions() -> None:
    found = ways()
    # from a message to a row, from a watchlist file to a hit, from a telemetry file to a published one
    numbered = [names for names in found if len(names) > 3]
    assert len(numbered) == 3
    assert all(len(names) <= MOST_STEPS for names in numbered)


@pytest.mark.parametrize("name", sorted({name for names in ways() for name in names}))
def test_every_function_exists(name: str) -> None:
    assert callable(resolve(name))
