"""STC-S, the IVOA's notation for regions (TAP 1.0, section 6): shapes, and operators on them.

``Circle ICRS 10 20 1``, ``Polygon GALACTIC 1 2 3 4 5 6``, ``Union ICRS (Circle 1 2 3 Not (Box 4 5 6 7))``. Angles are
in degrees. The frame of an operator applies to operands without one. What is not understood is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce
from typing import Final

from mocpy import MOC

from broker_assets.sky.areas import NotAnArea
from broker_assets.sky.quoting import quoted
from broker_assets.sky.shapes import FRAMES, Shapes, without

_TOKEN = re.compile(r"[()]|[^\s()]+")
_NUMBER = re.compile(r"[+-]?(?:\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_WITHOUT_EFFECT: Final = frozenset(
    {"BARYCENTER", "GEOCENTER", "HELIOCENTER", "TOPOCENTER", "UNKNOWNREFPOS", "SPHERICAL2"}
)
"""Reference positions and flavours of coordinates, which do not change directions."""

_VALUES: Final = {
    "CIRCLE": "longitude, latitude, radius",
    "ELLIPSE": "longitude, latitude, two semi-axes, position angle",
    "BOX": "longitude, latitude, width, height",
    "POLYGON": "longitude and latitude of each corner",
    "ALLSKY": "",
}
_OPERATORS: Final[dict[str, Callable[[MOC, MOC], MOC]]] = {
    "UNION": MOC.union,
    "INTERSECTION": MOC.intersection,
    "DIFFERENCE": without,
    "NOT": without,
}
WORDS: Final = frozenset({*_VALUES, *_OPERATORS, "POSITION", "POSITIONINTERVAL", "CONVEX"})
"""Words that a region in STC-S begins with, in capitals."""


def read_stcs(text: str, shapes: Shapes, *, deepest: int) -> MOC:
    """The MOC of a region in STC-S.

    Parameters
    ----------
    text : str
        The region.
    shapes : Shapes
        Makes the MOCs.
    deepest : int
        Depth of nested operators, at most.

    Raises
    ------
    NotAnArea
        If it is not understood to its end; the message names the word.

    Examples
    --------
    >>> read_stcs("Difference ICRS (Circle 10 20 2 Circle 10 20 1)", Shapes(7), deepest=5).max_order
    7
    """
    reader = _Reader(_TOKEN.findall(text), shapes, deepest)
    moc = reader.region("ICRS", 0)
    reader.end()
    return moc


class _Reader:
    def __init__(self, tokens: list[str], shapes: Shapes, deepest: int) -> None:
        self._tokens = tokens
        self._at = 0
        self._shapes = shapes
        self._deepest = deepest

    def region(self, frame: str, depth: int) -> MOC:
        word = self._next().upper()
        if word in _OPERATORS:
            return self._operator(word, self._frame(frame), depth + 1)
        if word in _VALUES:
            return self._shape(word, self._frame(frame))
        if word in WORDS:
            raise NotAnArea(f"not understood as STC-S: {word} covers no area, or is not read")
        raise NotAnArea(f"not understood as STC-S: {word!r} is not a shape; the shapes are {', '.join(_VALUES)}")

    def end(self) -> None:
        """Accept `unit deg` and nothing else after the region."""
        rest = [token.lower() for token in self._tokens[self._at :]]
        if rest not in ([], ["unit", "deg"]):
            raise NotAnArea(f"not understood as STC-S: {self._tokens[self._at]!r} follows the region")

    def _operator(self, word: str, frame: str, depth: int) -> MOC:
        if depth > self._deepest:
            raise NotAnArea(f"more than {self._deepest} nested operators (BROKER_LIMITS__REGION_DEPTH)")
        self._shapes.operator()
        if self._next() != "(":
            raise NotAnArea(f"not understood as STC-S: {word} is followed by its regions in parentheses")
        parts = [self._shapes.everything()] if word == "NOT" else []
        while self._peek() != ")":
            parts.append(self.region(frame, depth))
        self._at += 1
        if len(parts) < 2 or (word in ("NOT", "DIFFERENCE") and len(parts) > 2):
            wanted = {"NOT": "one region", "DIFFERENCE": "two regions"}.get(word, "two regions or more")
            raise NotAnArea(f"not understood as STC-S: {word} takes {wanted}")
        return reduce(_OPERATORS[word], parts)

    def _shape(self, word: str, frame: str) -> MOC:
        values: list[float] = []
        while self._at < len(self._tokens) and _NUMBER.fullmatch(self._tokens[self._at]):
            values.append(float(self._next()))
        wanted = _VALUES[word]
        number = len(wanted.split(", ")) + ("two" in wanted) if wanted else 0
        if (len(values) % 2 or len(values) < 6) if word == "POLYGON" else len(values) != number:
            rest = self._tokens[self._at] if self._at < len(self._tokens) else ")"
            odd = "" if rest.upper() in WORDS | {"(", ")", "UNIT"} else f", then {quoted(rest, 40)}"
            raise NotAnArea(
                f"not understood as STC-S: {word} has {len(values)} numbers{odd}; it takes {wanted or 'none'}"
            )
        if word == "POLYGON":
            return self._shapes.polygon(frame, values[::2], values[1::2])
        if word == "CIRCLE":
            return self._shapes.circle(frame, *values)
        if word == "ELLIPSE":
            return self._shapes.ellipse(frame, *values)
        if word == "BOX":
            return self._shapes.box(frame, *values)
        return self._shapes.everything()

    def _frame(self, inherited: str) -> str:
        """The frame that is named here, or that of the enclosing operator; skips words without effect."""
        if self._at < len(self._tokens) and self._peek().upper() in FRAMES:
            inherited = self._next().upper()
        while self._at < len(self._tokens) and self._peek().upper() in _WITHOUT_EFFECT:
            self._at += 1
        return inherited

    def _peek(self) -> str:
        if self._at >= len(self._tokens):
            raise NotAnArea("not understood as STC-S: the region ends too early")
        return self._tokens[self._at]

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token
