"""Output of the commands: all of it goes through here, so that no control character reaches a terminal.

Names, reasons, keys and topics come from outside, and may contain escape sequences that move the cursor, rename the
window or hide earlier output. `printable` makes them visible; `terminal`, `echo`, `standard_output` and
`PrintableFormatter` apply it to tables, lines, tabular files and logs.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable
from typing import Final

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

WIDE = 200
"""Width of output to a file or a pipe, which must not be truncated to the width of a terminal."""
_KEPT: Final = frozenset("\n\t\u00a0\u202f\u3000")
"""Line ends and spaces, which are not printable for Python."""


def printable(text: str) -> str:
    """A text whose control characters, and those that change the writing direction, are written as JSON escapes.

    JSON keeps its meaning: such characters can occur unescaped only in its strings.

    Examples
    --------
    >>> print(printable("a\\x1b[2Jb \\x9b1m \\u202e cß"))
    a\\u001b[2Jb \\u009b1m \\u202e cß
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in _KEPT else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return f"\\u{ord(sign):04x}" if sign.isascii() else json.dumps(sign)[1:-1]


class _PrintableConsole(Console):
    """A console whose segments are printable; colours are added to them later."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as usual; everything printed passes here, including tables and tracebacks."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


class _PrintableOutput:
    """A file-like object over standard output."""

    def write(self, text: str) -> int:
        """Write a text."""
        return sys.stdout.write(printable(text))


class PrintableFormatter(logging.Formatter):
    """Formats records for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a printable text."""
        return printable(super().format(record))


def terminal(*, stderr: bool = False) -> Console:
    """A console on standard output or error, as wide as the terminal or as `COLUMNS`."""
    stream = sys.stderr if stderr else sys.stdout
    given = stream.isatty() or "COLUMNS" in os.environ
    return _PrintableConsole(stderr=stderr, width=None if given else WIDE)


def echo(text: object, *, err: bool = False, nl: bool = True, fg: str | None = None) -> None:
    """Print a line unchanged, without colours of its own.

    Parameters
    ----------
    text : object
        Its `str` is printed.
    err : bool
        Whether to print to standard error.
    nl : bool
        Whether a line end follows.
    fg : str, optional
        Colour, if the output is a terminal.
    """
    typer.secho(printable(str(text)), err=err, nl=nl, fg=fg)


def standard_output() -> _PrintableOutput:
    """The output for a `csv.writer` of a command."""
    return _PrintableOutput()
