"""Frames of the simulated kernels, as SPICE understands them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import spiceypy

from broker_assets.telemetry.simulation.frames import FRAMES, PLANETARY_CONSTANTS, frame_kernel


def test_numbers_and_names_are_unique() -> None:
    for values in ([frame.name for frame in FRAMES], [frame.number for frame in FRAMES]):
        assert max(Counter(values).values()) == 1
    defined = {frame.name for frame in FRAMES}
    assert {frame.fixed_to for frame in FRAMES} - {"", "ECLIPJ2000"} <= defined


def test_spice_knows_every_frame(tmp_path: Path) -> None:
    (tmp_path / "frames.tf").write_text(frame_kernel(FRAMES))
    (tmp_path / "constants.tpc").write_text(PLANETARY_CONSTANTS)
    for name in ("frames.tf", "constants.tpc"):
        spiceypy.furnsh(str(tmp_path / name))
    try:
        for frame in FRAMES:
            assert spiceypy.namfrm(frame.name) == frame.number
            assert spiceypy.frinfo(frame.number)[0] == frame.center
        assert spiceypy.bodn2c("SOLAR ORBITER") == -144
        # What is fixed to another frame does not turn in it.
        turned = spiceypy.pxform("SUN_ARIES_ECL", "ECLIPJ2000", 0.0)
        assert abs(turned - spiceypy.ident()).max() < 1e-15
    finally:
        for name in ("frames.tf", "constants.tpc"):
            spiceypy.unload(str(tmp_path / name))
