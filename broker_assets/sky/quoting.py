"""Quoting text from outside in messages, which go into logs and to terminals."""

from __future__ import annotations


def quoted(text: str, longest: int = 100) -> str:
    """The beginning of a text in double quotes, with control characters written as escapes.

    Examples
    --------
    >>> print(quoted('circle(1,2)\\x1b[2J'))
    "circle(1,2)\\x1b[2J"
    """
    shown = text if len(text) <= longest else text[:longest] + "…"
    return '"' + "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in shown) + '"'
