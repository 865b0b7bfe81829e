"""Frames of the simulated kernels: our own definitions of those that ephemeris keywords and ancillary products need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

CONSTANT, POSITION = "CONSTANT", "OBSERVER_TARGET_POSITION"


@dataclass(frozen=True)
class Axis:
    """What one axis of a two-vector frame is aligned with."""

    name: str
    observer: str = ""
    """With a target, the axis points from this observer to the target."""
    target: str = ""
    frame: str = ""
    """Without a target, the axis is the z axis of this frame."""

    def lines(self, number: int, order: str) -> list[str]:
        """Assignments of a frame kernel; `order` is PRI or SEC."""
        stem = f"FRAME_{number}_{order}"
        if self.target:
            return [
                f"{stem}_AXIS = '{self.name}'",
                f"{stem}_VECTOR_DEF = '{POSITION}'",
                f"{stem}_OBSERVER = '{self.observer}'",
                f"{stem}_TARGET = '{self.target}'",
                f"{stem}_ABCORR = 'NONE'",
            ]
        return [
            f"{stem}_AXIS = '{self.name}'",
            f"{stem}_VECTOR_DEF = '{CONSTANT}'",
            f"{stem}_FRAME = '{self.frame}'",
            f"{stem}_SPEC = 'RECTANGULAR'",
            f"{stem}_VECTOR = ( 0, 0, 1 )",
        ]


@dataclass(frozen=True)
class Frame:
    """A frame: turned by a pointing kernel, fixed to another frame, or spanned by two vectors."""

    name: str
    number: int
    center: int
    primary: Axis | None = None
    secondary: Axis | None = None
    fixed_to: str = ""
    frozen: bool = False
    """Whether it is fixed at J2000."""

    def lines(self) -> list[str]:
        """Assignments of a frame kernel."""
        kind = 5 if self.primary else 4 if self.fixed_to else 3
        found = [
            f"FRAME_{self.name} = {self.number}",
            f"FRAME_{self.number}_NAME = '{self.name}'",
            f"FRAME_{self.number}_CLASS = {kind}",
            f"FRAME_{self.number}_CLASS_ID = {self.number}",
            f"FRAME_{self.number}_CENTER = {self.center}",
        ]
        if self.primary and self.secondary:
            found += [
                f"FRAME_{self.number}_RELATIVE = 'J2000'",
                f"FRAME_{self.number}_DEF_STYLE = 'PARAMETERIZED'",
                f"FRAME_{self.number}_FAMILY = 'TWO-VECTOR'",
                *self.primary.lines(self.number, "PRI"),
                *self.secondary.lines(self.number, "SEC"),
            ]
            if self.frozen:
                found.append(f"FRAME_{self.number}_FREEZE_EPOCH = @2000-JAN-01/12:00:00")
        elif self.fixed_to:
            found += [
                f"TKFRAME_{self.number}_RELATIVE = '{self.fixed_to}'",
                f"TKFRAME_{self.number}_SPEC = 'ANGLES'",
                f"TKFRAME_{self.number}_UNITS = 'DEGREES'",
                f"TKFRAME_{self.number}_AXES = ( 3, 2, 1 )",
                f"TKFRAME_{self.number}_ANGLES = ( 0, 0, 0 )",
            ]
        else:
            found += [f"CK_{self.number}_SCLK = -144", f"CK_{self.number}_SPK = -144"]
        return found


_TO_EARTH = {"observer": "SUN", "target": "EARTH"}
_POLE = Axis("Z", frame="IAU_SUN")

FRAMES: Final = (
    Frame("SOLO_HCI", -144981, 10, _POLE, Axis("Y", frame="ECLIPJ2000"), frozen=True),
    Frame("SOLO_HEEQ", -144983, 10, _POLE, Axis("X", **_TO_EARTH)),
    Frame("SUN_EARTH_CEQU", 1000010001, 10, _POLE, Axis("X", **_TO_EARTH)),
    Frame("SUN_ARIES_ECL", 1000010000, 10, fixed_to="ECLIPJ2000"),
    Frame("SOLO_HEE", -144997, 10, Axis("X", **_TO_EARTH), Axis("Z", frame="ECLIPJ2000")),
    Frame("EARTH_SUN_ECL", 300399005, 399, Axis("Z", frame="ECLIPJ2000"), Axis("X", "EARTH", "SUN")),
    Frame("SOLO_SUN_RTN", -144991, -144, Axis("X", "SOLO", "SUN"), _POLE),
    Frame("SOLO_SRF", -144000, -144),
    Frame("SOLO_STIX_ILS", -144851, -144, fixed_to="SOLO_SRF"),
    Frame("SOLO_STIX_OPT", -144852, -144, fixed_to="SOLO_STIX_ILS"),
)
"""In `SOLO_SUN_RTN` x points to the Sun, so that a spacecraft that looks at the Sun is turned by small angles."""

PLANETARY_CONSTANTS: Final = """KPL/PCK
\\begindata
BODY10_POLE_RA = ( 286.13 0. 0. )
BODY10_POLE_DEC = ( 63.87 0. 0. )
BODY10_PM = ( 84.176 14.1844 0. )
BODY10_RADII = ( 695700. 695700. 695700. )
BODY399_RADII = ( 6378.1366 6378.1366 6356.7519 )
\\begintext
"""


def frame_kernel(frames: Iterable[Frame]) -> str:
    """Text of a frame kernel.

    Examples
    --------
    >>> frame_kernel(FRAMES[3:4]).splitlines()[5]
    'FRAME_SUN_ARIES_ECL = 1000010000'
    """
    bodies = ["NAIF_BODY_NAME += ( 'SOLO', 'SOLAR ORBITER' )", "NAIF_BODY_CODE += ( -144, -144 )"]
    lines = [line for frame in frames for line in frame.lines()]
    return "\n".join(["KPL/FK", "", "\\begindata", *bodies, *lines, "\\begintext", ""])
