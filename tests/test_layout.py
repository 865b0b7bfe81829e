"""The test tree mirrors the package: `sky/cones.py` is tested in `sky/test_cones.py`, without replacing any of it.

A new module comes with its test. No test replaces a function or class of the package: it acts through an argument, a
setting, a component of its own or a real fault; a constant such as a limit may be changed for a test. Cases of a test
are the same whenever they are collected. ``python tests/test_layout.py`` prints the modules that have no test.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "broker_assets"
NOT_TESTED = ("__init__.py", "migrations/env.py", "migrations/versions/*.py")
"""Packages, and modules that Alembic runs: `database/test_migrations.py` runs all of them."""
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
    """Whether a file contains a test, in a class or not: an empty file would only look like a test."""
    return re.search(r"^ *def test_", file.read_text(), re.MULTILINE) is not None


def test_every_module_has_a_test_of_its_own() -> None:
    missing = [f"{name}: write tests/{mirrored(Path(name))}" for name in without_own_test()]
    assert not missing, "a module comes with its test: " + "; ".join(missing)


def test_every_test_of_a_module_tests_something() -> None:
    empty = [str(path) for path in sorted({mirrored(module) for module in modules()}) if not has_tests(TESTS / path)]
    assert not empty


def replaced(code: str) -> list[str]:
    """Functions and classes of the package that a test replaces, as `line: call`."""
    tree = ast.parse(code)
    ours = {
        name.asname or name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name
        for name in node.names
    }
    return [
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("setattr", "setitem", "delattr", "delitem")
        and _replaces(node.args, ours)
    ]


def _replaces(arguments: list[ast.expr], ours: set[str]) -> bool:
    target = arguments[0]
    if isinstance(target, ast.Constant):
        place, _, name = str(target.value).rpartition(".")
        return place.split(".")[0] == PACKAGE.name and not name.isupper()
    names = [str(arguments[1].value) if isinstance(arguments[1], ast.Constant) else ""]
    while isinstance(target, ast.Attribute):
        names.append(target.attr)
        target = target.value
    if not isinstance(target, ast.Name) or target.id not in ours:
        return False
    return not any(name.isupper() for name in (*names, target.id))


def test_no_test_replaces_a_function() -> None:
    codes = {path.relative_to(TESTS).as_posix(): path.read_text() for path in sorted(TESTS.rglob("*.py"))}
    found = {path: replaced(code) for path, code in codes.items() if re.search(r"\.(set|del)(attr|item)\(", code)}
    assert len(found) > 10
    assert {path: calls for path, calls in found.items() if calls} == {}


def timed_cases(code: str) -> list[int]:
    """Lines of cases that gzip writes with the time of day: parallel workers would collect different tests."""
    decorators = [
        decorator
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        for decorator in node.decorator_list
    ]
    later = {
        inner
        for decorator in decorators
        for function in ast.walk(decorator)
        if isinstance(function, ast.Lambda)
        for inner in ast.walk(function)
    }
    return [
        call.lineno
        for decorator in decorators
        for call in ast.walk(decorator)
        if isinstance(call, ast.Call) and call not in later and ast.unparse(call.func) == "gzip.compress"
        if not any(argument.arg == "mtime" for argument in call.keywords)
    ]


def test_cases_do_not_depend_on_the_time() -> None:
    found = {path.relative_to(TESTS).as_posix(): timed_cases(path.read_text()) for path in TESTS.rglob("test_*.py")}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_case_with_the_time_is_found() -> None:
    case = "@pytest.mark.parametrize('content', [{}])\ndef test_a(content): ..."
    assert timed_cases(case.format("gzip.compress(b'')")) == [1]
    assert timed_cases(case.format("gzip.compress(b'', mtime=0)")) == []


def test_a_replaced_function_is_found() -> None:
    code = """
from broker_assets.api import things
from broker_assets.api.things import LIMITS, Thing
monkeypatch.setattr(things, "MOST", 1)
monkeypatch.setattr(things, "_read", None)
patch.setattr(Thing, "of", None)
monkeypatch.setattr("broker_assets.api.things.read", None)
monkeypatch.setattr("broker_assets.api.things.MOST", 1)
monkeypatch.setitem(LIMITS, "a", 1)
monkeypatch.setattr(os, "replace", None)
"""
    assert [call.partition(":")[0] for call in replaced(code)] == ["5", "6", "7"]


if __name__ == "__main__":
    print(*without_own_test(), sep="\n")
