"""The test tree mirrors the package: `sky/cones.py` is tested in `sky/test_cones.py`.

Modules that are tested only elsewhere, as parts of something larger, are listed in `without_own_test.txt`. The list
only shrinks: a new module comes with its test, and a module that has one leaves the list.
``python tests/test_layout.py`` prints the modules that have no test of their own.
"""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "broker_assets"
LISTED = TESTS / "without_own_test.txt"
NOT_TESTED = ("__init__.py", "migrations/env.py", "migrations/versions/*.py")
"""Packages, and what Alembic runs: `database/test_migrations.py` runs all of it."""
AS_A_WHOLE = {
    "definitions.py": "test_build.py",
    "build/*.py": "test_build.py",
    "database/tables/*.py": "database/test_tables.py",
}
"""Modules that only declare parts of one thing, and the test of that thing."""


def modules() -> list[Path]:
    """Modules that should have a test, relative to the package."""
    return sorted(
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*.py")
        if not any(path.match(pattern) for pattern in NOT_TESTED)
    )


def mirrored(module: Path) -> Path:
    """Where the test of a module belongs, relative to the tests."""
    for pattern, whole in AS_A_WHOLE.items():
        if module.match(pattern):
            return Path(whole)
    return module.with_name(f"test_{module.name}")


def without_own_test() -> list[str]:
    """Modules that have no test at their path."""
    return [module.as_posix() for module in modules() if not (TESTS / mirrored(module)).is_file()]


def test_the_list_of_modules_without_a_test_of_their_own_only_shrinks() -> None:
    listed = LISTED.read_text().split()
    assert listed == sorted(set(listed))
    found = without_own_test()
    new = [f"{name}: write tests/{mirrored(Path(name))}" for name in found if name not in listed]
    assert not new, "a module comes with its test: " + "; ".join(new)
    gone = [name for name in listed if name not in found]
    assert not gone, f"these have a test now, or are no more; remove them from {LISTED.name}: " + ", ".join(gone)


if __name__ == "__main__":
    print(*without_own_test(), sep="\n")
