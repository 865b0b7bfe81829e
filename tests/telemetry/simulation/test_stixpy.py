"""Products of a simulated mission open in unmodified `stixpy`, those of every kind."""

from __future__ import annotations

from pathlib import Path

from stixpy_reader import opened

CLASSES = {
    "ql-lightcurve": "QLLightCurve",
    "ql-background": "QLBackground",
    "ql-variance": "QLVariance",
    "ql-flareflag": "QLFlareFlag",
    "ql-tmstatusflarelist": "QLTMStatusFlareList",
    "hk-mini": "HKMini",
    "hk-maxi": "HKMaxi",
    "sci-xray-rpd": "RawPixelData",
    "sci-xray-cpd": "CompressedPixelData",
    "sci-xray-scpd": "SummedCompressedPixelData",
    "sci-xray-vis": "Visibility",
    "sci-xray-spec": "Spectrogram",
}
"""Classes of `stixpy` by kind; it has none for the others, and takes those as generic products."""


def test_products_of_every_kind(products: Path) -> None:
    found = {}
    for path in sorted((products / "L1/2024/05/11").rglob("*.fits")):
        product = opened(path)
        found[path.name.split("_")[2].removeprefix("stix-")] = type(product).__name__
    assert found.keys() >= CLASSES.keys()
    assert found == {stem: CLASSES.get(stem, "GenericProduct") for stem in found}
