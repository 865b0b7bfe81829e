"""Code versions: a raised version of one kind is seen by the assets and files of that kind, and by no others."""

from __future__ import annotations

import pytest

from broker_assets.telemetry.archive.code_versions import code_version, file_code_version
from broker_assets.telemetry.archive.day_products import LEVEL2_FAMILIES, LEVELS
from broker_assets.telemetry.archive.days import FAMILIES, family_of
from broker_assets.telemetry.products.kinds import KINDS, ProductKind


def assets() -> list[tuple[str, str]]:
    """Level and family of every asset."""
    return [(level, family) for level in LEVELS for family in (LEVEL2_FAMILIES if level == "L2" else FAMILIES)]


@pytest.mark.parametrize("level", ["L0", "L1"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.file_stem)
def test_a_raised_version_changes_its_asset_only(level: str, kind: ProductKind) -> None:
    overrides = {f"{level}/{kind.file_stem}": 9}
    changed = {asset for asset in assets() if code_version(*asset, overrides) != code_version(*asset, {})}
    assert changed == {(level, family_of(kind.key))}
    assert f"{kind.file_stem} 9" in code_version(level, family_of(kind.key), overrides)


@pytest.mark.parametrize(("name", "family"), [("LL03/ql-lightcurve", "quicklook"), ("CAL/cal-energy", "calibration")])
def test_what_is_made_beyond_level1_has_versions_of_its_own(name: str, family: str) -> None:
    changed = {asset for asset in assets() if code_version(*asset, {name: 9}) != code_version(*asset, {})}
    assert changed == {("L2", family)}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.file_stem)
def test_files_know_their_part_of_the_version_of_the_asset(kind: ProductKind) -> None:
    stem, family = kind.file_stem, family_of(kind.key)
    for level in ("L0", "L1"):
        name, _, builder = file_code_version(level, stem, {}).partition(", ")
        parts = code_version(level, family, {}).split(", ")
        assert name in parts
        assert builder in parts
        assert file_code_version(level, stem, {f"{level}/{stem}": 9}) == f"{stem} 9, {builder}"


def test_kinds_without_tables_of_their_own() -> None:
    assert file_code_version("L1", "events-5-1", {}).startswith("events-5-1 2, ")
    overrides = {"L1/events-5-1": 4, "L0/tc-verify-1": 3}
    assert "events-5-1 4" in code_version("L1", "auxiliary", overrides)
    assert "tc-verify-1" not in code_version("L1", "auxiliary", overrides)
    assert code_version("L1", "quicklook", overrides) == code_version("L1", "quicklook", {})
