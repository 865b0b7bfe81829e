"""Pictures of what product files measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from counted_files import counted
from small_products import put

from broker_assets.telemetry.products.files.reading import UnreadableFile
from broker_assets.telemetry.products.preview import NoPreview, drawn, measured, preview_png


@pytest.mark.parametrize(
    ("form", "rows", "energies"),
    [("light curve", 40, 5), ("spectrum", 1, 32), ("spectrogram", 3000, 30)],
)
def test_forms_are_drawn(tmp_path: Path, form: str, rows: int, energies: int) -> None:
    path = counted(tmp_path / "a.fits", rows=rows, energies=energies, gap=rows > 1)
    found = measured(path)
    assert (found.form, found.begin, found.is_utc) == (form, "2026-11-27 00:00:00", True)
    assert found.seconds[0] == 0.0
    assert found.said.startswith(f"{form.capitalize()} of {rows:,} time bin")
    assert found.counts.sum() == sum(range(1, rows + 1)) * sum(range(1, energies + 1))
    drawn = preview_png(path)
    assert drawn.startswith(b"\x89PNG")
    assert preview_png(path) is drawn


def test_counts_under_a_former_name_are_drawn(tmp_path: Path) -> None:
    former, present = (counted(tmp_path / f"{name}.fits", column=name) for name in ("count", "counts"))
    assert measured(former).said == measured(present).said


def test_zero_counts_are_drawn(tmp_path: Path) -> None:
    found = measured(counted(tmp_path / "a.fits", rows=4, energies=12))
    assert drawn(replace(found, counts=np.zeros_like(found.counts), edges=None)).startswith(b"\x89PNG")


def test_what_is_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(NoPreview, match="no light curve"):
        measured(put(tmp_path))
    picture = tmp_path / "a.svg"
    picture.write_text("<svg/>")
    with pytest.raises(NoPreview, match="FITS"):
        measured(picture)
    with pytest.raises(NoPreview, match="empty"):
        measured(counted(tmp_path / "none.fits", rows=0, gap=False))
    damaged = counted(tmp_path / "b.fits")
    damaged.write_bytes(damaged.read_bytes()[:-2880])
    with pytest.raises(UnreadableFile, match=r"b\.fits"):
        measured(damaged)
