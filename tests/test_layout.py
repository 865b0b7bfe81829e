"""The test tree mirrors the package: `sky/cones.py` is tested in `sky/test_cones.py`.

A new module comes with its test. ``python tests/test_layout.py`` prints the modules that have none.
"""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "broker_assets"
NOT_TESTED = ("__init__.py", "migrations/env.py", "migrations/versions/*.py")
"""Packages, and what Alembic runs: `database/test_migrations.py` runs all of it."""
DECLARED_SETTINGS = [
    "settings/annotations.py",
    "settings/database.py",
    "settings/drain.py",
    "settings/enrichment.py",
    "settings/limits.py",
    "settings/operation.py",
    "settings/publication.py",
    "settings/sky.py",
    "settings/telemetry.py",
]
AS_A_WHOLE = {
    "definitions.py": "test_build.py",
    "build/*.py": "test_build.py",
    "database/tables/*.py": "database/test_tables.py",
    "database/tables/tom/*.py": "database/test_tom_tables.py",
    **dict.fromkeys(DECLARED_SETTINGS, "settings/test_init.py"),
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


def has_tests(file: Path) -> bool:
    """Whether a file has a test, in a class or not: an empty file would only look like one."""
    return re.search(r"^ *def test_", file.read_text(), re.MULTILINE) is not None


def test_every_module_has_a_test_of_its_own() -> None:
    missing = [f"{name}: write tests/{mirrored(Path(name))}" for name in without_own_test()]
    assert not missing, "a module comes with its test: " + "; ".join(missing)


def test_every_test_of_a_module_tests_something() -> None:
    empty = [str(path) for path in sorted({mirrored(module) for module in modules()}) if not has_tests(TESTS / path)]
    assert not empty


if __name__ == "__main__":
    print(*without_own_test(), sep="\n")
