"""DS9 region files (DS9 reference manual, "Regions"): every shape of a file is understood, or the file is refused.

Third-party readers leave out what they do not know, with a warning at best; an area without one of its shapes would
lose alerts. So an unknown shape, an unknown property that has an effect, or a wrong number of arguments is an error
here. Comments, global properties and graphics written as comments (`# text(…)`) cover nothing and are skipped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from mocpy import MOC

from broker_assets.sky.angles import parse_angle
from broker_assets.sky.areas import NotAnArea
from broker_assets.sky.quoting import quoted
from broker_assets.sky.shapes import FRAMES, Shapes, without

EXAMPLE: Final = "`icrs; circle(10d,20d,1d)`"
"""A region, for messages."""

_PIXELS: Final = frozenset({"IMAGE", "PHYSICAL", "LINEAR", "AMPLIFIER", "DETECTOR"})
_WITHOUT_AREA: Final = frozenset({"point", "text", "line", "vector", "ruler", "projection", "segment", "compass"})
_KINDS: Final = "circle, annulus, ellipse, box and polygon"
_BEGINNING = re.compile(r"([+-]?)\s{0,9}([A-Za-z]\w{0,30})(?!\w)", re.ASCII)
_NUMBER = re.compile(r"([+-]?(?:\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:[eE][+-]?\d{1,3})?)(d|r|\"|'|p|i)?", re.ASCII)
_GLOBAL = re.compile(r"global(?!\S)", re.IGNORECASE)
_PROPERTY = re.compile(r"[A-Za-z]\w{0,30}\s{0,9}=", re.ASCII)
_EXCLUDED = re.compile(r"\binclude\s{0,9}=\s{0,9}0", re.ASCII | re.IGNORECASE)
_QUOTED = re.compile(r"\{[^}]{0,10000}\}|\"[^\"]{0,10000}\"|'[^']{0,10000}'")
"""Text of a property, between braces or quotes."""
_UNITS: Final = {"d": 1.0, "": 1.0, "r": math.degrees(1.0), '"': 1.0 / 3600.0, "'": 1.0 / 60.0}


def read_ds9(text: str, shapes: Shapes) -> MOC:
    """The MOC of a DS9 region file: its shapes united, without the excluded ones (`-circle`).

    Parameters
    ----------
    text : str
        The file.
    shapes : Shapes
        Makes the MOCs.

    Raises
    ------
    NotAnArea
        If a line is not understood, or is not a shape with an extent on the sky; the message quotes it.

    Examples
    --------
    >>> read_ds9("galactic; circle(10, 20, 30') # color=red", Shapes(7)).max_order
    7
    """
    frame: str | None = None
    inside, outside = MOC.new_empty(shapes.order), MOC.new_empty(shapes.order)
    found = False
    for statement in _statements(text):
        beginning = _BEGINNING.match(statement)
        if beginning is None:
            raise _not_understood(statement)
        sign, name, rest = beginning[1], beginning[2], statement[beginning.end() :].strip()
        if name.upper() in FRAMES and not rest and not sign:
            frame = name.upper()
        elif name.upper() in _PIXELS and not rest:
            raise NotAnArea(f"{name}: positions are in pixels; give a frame of the sky, as {EXAMPLE}")
        else:
            moc = _shape(statement, name.lower(), _inner(rest), frame, shapes)
            found = True
            if sign == "-":
                outside = outside.union(moc)
            else:
                inside = inside.union(moc)
    if not found:
        raise NotAnArea("not understood as STC-S or DS9: no region in the text")
    return without(inside, outside)


def _statements(text: str) -> Iterator[str]:
    """Statements, without comments and global properties."""
    for line in re.split(r"\r\n|\n|\r", text):
        plain, _, comment = line.partition("#")
        of_all = False
        for statement in plain.split(";"):
            stripped = statement.strip().removesuffix("||").strip()
            of_all = of_all or _GLOBAL.match(stripped) is not None
            # Properties of all shapes; what is neither on such a line, as a shape behind a semicolon, is a statement.
            properties = of_all and (_GLOBAL.match(stripped) or _PROPERTY.match(stripped))
            if stripped and not properties:
                yield stripped
            elif properties and _EXCLUDED.search(stripped):
                raise _excluded(line)
        if plain.strip() and _EXCLUDED.search(_QUOTED.sub("", comment)):
            raise _excluded(line)


def _excluded(line: str) -> NotAnArea:
    return NotAnArea(f"include=0 in {quoted(line.strip())}; put a minus before an excluded shape: -circle(…)")


def _inner(text: str) -> str | None:
    """The text between parentheses, or a text that has none; None if they do not match."""
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    return None if "(" in text or ")" in text else text


def _shape(statement: str, name: str, inner: str | None, frame: str | None, shapes: Shapes) -> MOC:
    if name in _WITHOUT_AREA:
        raise NotAnArea(
            f"{name} covers no area; remove the line {quoted(statement)} from the region ({_KINDS} are areas)"
        )
    if name not in ("circle", "annulus", "ellipse", "box", "polygon") or inner is None:
        raise _not_understood(statement)
    if frame is None:
        raise NotAnArea(
            f"the coordinate frame was not found before the line {quoted(statement)}; give one, as {EXAMPLE}"
        )
    arguments = [part for part in re.split(r"[,\s]\s*", inner.strip()) if part]
    if len(arguments) < 2:
        raise _not_understood(statement)
    try:
        if name == "polygon":
            if len(arguments) % 2 or len(arguments) < 6:
                raise _wrong_number(statement, "longitude and latitude of three corners or more")
            return shapes.polygon(
                frame,
                [_longitude(part, frame) for part in arguments[::2]],
                [_degrees(part) for part in arguments[1::2]],
            )
        centre = (_longitude(arguments[0], frame), _degrees(arguments[1]))
        return _around(statement, name, frame, centre, [_size(part) for part in arguments[2:]], shapes)
    except ValueError as error:
        if isinstance(error, NotAnArea):
            raise
        raise NotAnArea(f"not understood as STC-S or DS9: {error} in the line {quoted(statement)}") from error


def _around(
    statement: str, name: str, frame: str, centre: tuple[float, float], values: list[float], shapes: Shapes
) -> MOC:
    """A shape around a centre; with several sizes, the region between the first and the last."""
    if name == "circle":
        if len(values) != 1:
            raise _wrong_number(statement, "longitude, latitude, radius")
        return shapes.circle(frame, *centre, values[0])
    if name == "annulus":
        if len(values) < 2 or sorted(set(values)) != values:
            raise _wrong_number(statement, "longitude, latitude, two or more increasing radii")
        return shapes.ring(frame, *centre, values[0], values[-1])
    # DS9's angle turns the first axis away from the longitude axis, so the second axis is at that position angle.
    make = shapes.box if name == "box" else shapes.ellipse
    *sizes, angle = values if len(values) % 2 else [*values, 0.0]
    pairs = list(zip(sizes[::2], sizes[1::2], strict=True))
    rising = all(inner[0] < outer[0] and inner[1] < outer[1] for inner, outer in pairwise(pairs))
    if not pairs or not rising:
        raise _wrong_number(statement, "longitude, latitude, two sizes (or more increasing pairs), angle")
    turned = angle if name == "box" else angle + 90.0
    outer = make(frame, centre[0], centre[1], pairs[-1][0], pairs[-1][1], turned)
    hole = [size - shapes.margin for size in pairs[0]]
    if len(pairs) == 1 or min(hole) <= 0.0:
        return outer
    return outer.difference(make(frame, centre[0], centre[1], hole[0], hole[1], turned))


def _longitude(text: str, frame: str) -> float:
    """A longitude, degrees; with colons it is hours in an equatorial frame."""
    return _degrees(text, hours=frame not in ("GALACTIC", "ECLIPTIC"))


def _degrees(text: str, *, hours: bool = False) -> float:
    value = _plain(text)
    return parse_angle(text, hours=hours) if value is None else value


def _size(text: str) -> float:
    value = _plain(text)
    if value is None:
        raise ValueError(f"{text!r} is not a size or angle")
    return value


def _plain(text: str) -> float | None:
    """A number with or without a unit, degrees; None if it is not a number."""
    matched = _NUMBER.fullmatch(text)
    if matched is None:
        return None
    if matched[2] in ("p", "i"):
        raise NotAnArea(f"{text!r} is in pixels; give degrees, as {EXAMPLE}")
    return float(matched[1]) * _UNITS[matched[2] or ""]


def _not_understood(statement: str) -> NotAnArea:
    return NotAnArea(
        f"not understood as STC-S or DS9: unable to parse line {quoted(statement)}; give a frame and then shapes"
        f" ({_KINDS}), as {EXAMPLE}"
    )


def _wrong_number(statement: str, wanted: str) -> NotAnArea:
    return NotAnArea(f"not understood as STC-S or DS9: {quoted(statement)} needs other values: {wanted}")
