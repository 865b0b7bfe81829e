"""Where commands write."""

from __future__ import annotations

import os
import sys

from rich.console import Console

WIDE = 200
"""Columns of what goes to a file or a pipe: nobody wants a log cut to the width of a terminal that is not there."""


def terminal(*, stderr: bool = False) -> Console:
    """A console on standard output or error, as wide as the terminal, or as `COLUMNS` says."""
    stream = sys.stderr if stderr else sys.stdout
    given = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, width=None if given else WIDE)
