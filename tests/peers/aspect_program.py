"""A stand-in for the aspect program: its answers are a simple function of the row, as in the golden run."""

from __future__ import annotations

import sys
from pathlib import Path

VERSION = "v0.5.2-fake"

_TEXT = """
import json
import sys
question = json.load(open(sys.argv[1]))
rows = range(len(question["time"]))
answer = {
    "y_srf": [-10.5 + 0.25 * row for row in rows],
    "z_srf": [33.25 - 0.5 * row for row in rows],
    "sas_ok": [1 for row in rows],
    "error": ["" for row in rows],
    "version": VERSION,
}
CHANGE
json.dump(answer, open(sys.argv[2], "w"))
"""


def aspect_command(folder: Path, change: str = "") -> tuple[str, ...]:
    """Write the program; return its command.

    Parameters
    ----------
    folder : Path
    change : str
        Python that changes `answer`, from `question`.
    """
    path = folder / "aspect.py"
    path.write_text(f"VERSION = {VERSION!r}\n{_TEXT.replace('CHANGE', change)}", encoding="utf-8")
    return (sys.executable, str(path))
