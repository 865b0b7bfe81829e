"""Runs all benchmarks, one after the other, and records what they print.

    make bench

The record is a file of `benchmarks/records/` with date, commit and machine.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from _judgement import write_record

HERE = Path(__file__).resolve().parent
OTHERS = ("all", "compare")
"""Modules that are not benchmarks."""


def main() -> None:
    """Run them; ends with code 1 when one fails."""
    printed: dict[str, object] = {}
    failed = []
    for script in sorted(HERE.glob("[!_]*.py")):
        if script.stem in OTHERS:
            continue
        print(f"== {script.relative_to(HERE.parent)}", flush=True)
        begin, lines = time.monotonic(), []
        with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        seconds = round(time.monotonic() - begin, 1)
        printed[script.stem] = {"seconds": seconds, "code": process.returncode, "output": "".join(lines)}
        if process.returncode:
            failed.append(script.stem)
    record = write_record("bench", HERE.parent, {"benchmarks": printed})
    print(f"\nkept as {record.relative_to(HERE.parent)}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
