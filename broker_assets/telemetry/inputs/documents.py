"""Text and JSON files of inputs, bounded in bytes and depth: a damaged file is an error of that file only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

MOST_BYTES: Final = 256 << 20
"""Bytes of a table, plan or index, at most; real ones have a hundredth of that."""


def bounded_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a file, UTF-8 with or without a byte order mark.

    Raises
    ------
    ValueError
        If it is longer, or not UTF-8; the message names it.
    OSError
        If it cannot be read.
    """
    size = path.stat().st_size
    if size > most:
        raise ValueError(f"{path} has {size:,} bytes; at most {most:,} are read")
    try:
        with path.open("rb") as stream:
            content = stream.read(size)
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def bounded_json(path: Path, most: int = MOST_BYTES) -> Any:
    """The content of a JSON file.

    Raises
    ------
    ValueError
        If it is longer, not JSON, or nested too deeply; the message names it.
    OSError
        If it cannot be read.
    """
    text = bounded_text(path, most)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a JSON document: {error}") from error
