"""Kinds of products: names that are unique, and versions by level."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry.archive.days import FAMILIES, family_of
from broker_assets.telemetry.products.kinds import BASE_VERSION, KINDS, ProductKind, kind_of


def test_names_and_keys_are_unique() -> None:
    assert len({kind.file_stem for kind in KINDS.values()}) == len(KINDS)
    assert all(key == kind.key == (kind.service, kind.subservice, kind.ssid) for key, kind in KINDS.items())
    assert {family_of(key) for key in KINDS} <= set(FAMILIES)


@given(st.integers(1, 255), st.integers(1, 255), st.none() | st.integers(0, 255))
def test_every_packet_kind_has_a_product(service: int, subservice: int, ssid: int | None) -> None:
    kind = kind_of((service, subservice, ssid))
    assert kind.key == (service, subservice, ssid)
    assert family_of(kind.key) in FAMILIES
    if kind.key not in KINDS:
        assert kind.builder == "default"
        assert kind.file_stem.endswith(f"-{subservice}-{ssid}" if ssid else f"-{subservice}")
        assert kind.file_stem not in {known.file_stem for known in KINDS.values()}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.file_stem)
def test_versions_by_level(kind: ProductKind) -> None:
    stem = kind.file_stem
    assert kind.version_of("L1", {}) == kind.version_of("L0", {}) == kind.version
    assert kind.version_of("CAL", {}) == BASE_VERSION
    assert kind.version_of("L1", {f"L1/{stem}": 7, f"L0/{stem}": 8}) == 7
    raised = kind.at("L0", {f"L0/{stem}": 8})
    assert raised.version == 8
    assert raised.file_stem == stem


def test_shifted_bins_are_those_of_requested_x_ray_data() -> None:
    assert {key[2] for key, kind in KINDS.items() if kind.shift_repair} == {20, 21, 22, 23, 24}
