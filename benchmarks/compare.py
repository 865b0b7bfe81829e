"""The performance gate: this checkout compared with a commit, in CPU seconds, in alternating rounds.

    make bench-compare BASE=COMMIT
    make bench-compare BASE=COMMIT SHORT=1

The commit is checked out in a second folder, `versus_stages.py` and `versus.py` compare the two (median of five
rounds), and the result is kept in `benchmarks/records/` with date, commits and machine. The exit code is 1 if a figure
grew by more than 5 % and by more than the rounds of one commit differ. The short form compares matching and the
insertion of rows, at a small size, with three rounds and a bound of 30 %: it detects only what has become much slower.
Without a commit, nothing is compared, and a message says so; one that is not in this repository is an error.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from _judgement import BOUND, commit, write_record

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SHORT_BOUND = 0.30
"""Bound of the short form, whose rounds are few and small."""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="", help="commit, branch or tag to compare with")
    parser.add_argument("--short", action="store_true", help="the short form")
    parser.add_argument("--rounds", type=int, help="default 5, 3 in the short form")
    parser.add_argument("--bound", type=float, help=f"default {BOUND}, {SHORT_BOUND} in the short form")
    return parser.parse_args()


def known(base: str) -> str | None:
    """The full name of a commit; None if this repository does not have it."""
    # So that the name cannot be taken for an option.
    found = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    return found.stdout.strip() or None


def compare(tree: Path, arguments: argparse.Namespace) -> tuple[dict[str, str], bool]:
    """Run the comparisons; what each printed, and whether one of them failed."""
    rounds = str(arguments.rounds or (3 if arguments.short else 5))
    bound = str(arguments.bound or (SHORT_BOUND if arguments.short else BOUND))
    common = ["--before", str(tree), "--rounds", rounds, "--bound", bound]
    runs = {"versus_stages": common, "versus": common}
    if arguments.short:
        runs = {"versus_stages": [*common, "--small", "--stage", "matching", "--stage", "bulk_insert"]}
    printed, failed = {}, False
    for name, options in runs.items():
        lines = []
        with subprocess.Popen(
            [sys.executable, str(HERE / f"{name}.py"), *options], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        printed[name] = "".join(lines)
        failed = failed or process.returncode != 0
    return printed, failed


def main() -> None:
    """Check out, compare, keep the record."""
    arguments = parse()
    if not arguments.base:
        print("nothing to compare with: no commit is given (BASE=COMMIT)")
        return
    base = known(arguments.base)
    if base is None:
        # A gate that passes when the name is misspelt would be none.
        sys.exit(
            f"nothing to compare with: {arguments.base} is not in this repository; a shallow clone must fetch it first"
        )
    if base == known("HEAD") and not commit(ROOT).endswith("-dirty"):
        print(f"nothing to compare: {arguments.base} is this commit")
        return
    with tempfile.TemporaryDirectory(prefix="bench-compare-") as folder:
        tree = Path(folder) / "before"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), base], cwd=ROOT, check=True)
        try:
            printed, failed = compare(tree, arguments)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=False)
    record = write_record(
        "compare", ROOT, {"base": base, "short": arguments.short, "failed": failed, "output": printed}
    )
    print(f"\nkept as {record.relative_to(ROOT)}")
    if failed:
        raise SystemExit(f"slower than {arguments.base}: see above")


if __name__ == "__main__":
    main()
