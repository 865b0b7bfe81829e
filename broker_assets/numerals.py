"""Numbers as people and programs write them: the decimal digits of ASCII.

Python reads more: `1_0` as 10, `１２` as 12, `nan` and `inf` as numbers. A user who sends these means something else.
"""

from __future__ import annotations

import math
import re
from typing import Final

WHOLE: Final = re.compile(r"[+-]?[0-9]+")
"""A whole number."""
REAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A finite number."""


def whole(text: str) -> int:
    """Read a whole number; blanks around it are allowed.

    Raises
    ------
    ValueError
        If the text has another form, or more than 4,300 digits.

    Examples
    --------
    >>> whole(" +12 ")
    12
    """
    if WHOLE.fullmatch(text.strip(" \t\r\n")) is None:
        raise ValueError(f"{text[:40]!r} is not a whole number")
    return int(text)


def real(text: str) -> float:
    """Read a finite number; blanks around it are allowed.

    Raises
    ------
    ValueError
        If the text has another form, or the number is too large for 64 bits.

    Examples
    --------
    >>> real("1e2"), real(" -.5")
    (100.0, -0.5)
    """
    number = float(text) if REAL.fullmatch(text.strip(" \t\r\n")) is not None else math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]!r} is not a number")
    return number
