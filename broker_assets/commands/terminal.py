"""Output of the commands."""

from __future__ import annotations

import os
import sys

from rich.console import Console

WIDE = 200
"""Width of output to a file or a pipe, which must not be cut to the width of a terminal."""


def terminal(*, stderr: bool = False) -> Console:
    """A console on standard output or error, as wide as the terminal or as `COLUMNS`."""
    stream = sys.stderr if stderr else sys.stdout
    given = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, width=None if given else WIDE)
