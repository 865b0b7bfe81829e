"""The import rules of pyproject.toml name all packages that they should."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
ABOVE = "dagster_internals"
"""The lowest layer that knows Dagster."""


def contract(kind: str, words: str) -> dict[str, list[str]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (found,) = [one for one in contracts if one["type"] == kind and words in one["name"]]
    return found


def packages(layers: list[str]) -> set[str]:
    """The existing packages of some layers; future ones stand in parentheses."""
    names = {name for layer in layers for name in re.findall(r"\w+", layer)}
    folder = ROOT / "broker_assets"
    return {name for name in names if (folder / name).is_dir() or (folder / f"{name}.py").is_file()}


def test_everything_below_the_resources_knows_no_dagster() -> None:
    layers = contract("layers", "downwards")["layers"]
    named = {name.removeprefix("broker_assets.") for name in contract("forbidden", "Dagster")["source_modules"]}
    assert named == packages(layers[layers.index(ABOVE) + 1 :])


def test_only_local_and_commands_know_the_one_machine_platform() -> None:
    layers = contract("layers", "downwards")["layers"]
    named = {name.removeprefix("broker_assets.") for name in contract("forbidden", "one-machine")["source_modules"]}
    above = packages(layers[: layers.index(ABOVE) + 1])
    assert named == above - {"local", "commands"}
