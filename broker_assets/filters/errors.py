"""Problems of filters with their positions, and the error that carries them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A single problem."""

    message: str
    """What is wrong, in a sentence."""
    line: int = 1
    """Line of the text, from 1."""
    column: int = 1
    """Character of the line, from 1."""
    part: str = ""
    """Part of Lasair's form: `selected`, `tables` or `conditions`; empty for a single SELECT."""
    suggestion: str = ""
    """What was probably meant, or what to write instead."""
    example: str = ""
    """An expression that is accepted."""

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}"
        text = f"{self.part + ', ' if self.part else ''}{place}: {self.message}"
        if (self.suggestion or self.example) and not text.endswith((".", "?", "!")):
            text += "."
        if self.suggestion:
            text += f" {self.suggestion}"
        if self.example:
            text += f" Example: {self.example}"
        return text


class FilterError(ValueError):
    """A filter that is not accepted.

    Attributes
    ----------
    problems : tuple of Problem
        Everything that was found, in the order of the text.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Refused(Exception):
    """One problem of one expression; the parser and the translator raise it, and `check` collects it."""

    def __init__(
        self,
        message: str,
        *,
        suggestion: str = "",
        example: str = "",
        at: int | None = None,
        several: Iterable[Refused] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion
        self.example = example
        self.at = at
        """Character of the text, from 0; None where the caller knows it."""
        self.several = tuple(several)
        """What is wrong with a query within the query, in place of the message."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests what a name was meant to be; empty if nothing is similar.

    Examples
    --------
    >>> nearest("diaObjectID", ["ra", "diaObjectId"])
    'Did you mean diaObjectId?'
    >>> nearest("x", ["ra"])
    ''
    """
    by_lower = {item.lower(): item for item in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"Did you mean {by_lower[found[0]]}?" if found else ""
