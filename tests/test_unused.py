"""Nothing exists for tests alone: what the package defines, the package uses, or something that a user runs does.

What only a test calls is removed, or gets its door: a command, an address, an asset. ``python tests/test_unused.py``
prints what is unused. The search goes by names, so it misses what shares its name with something that is used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "broker_assets"
DEFINITION = re.compile(r"( *)(?:async )?(?:def|class) (\w+)")
DECORATOR = re.compile(r" *@(?:\w+\.)*(\w+)")
PLAIN = {
    "abstractmethod", "cache", "cached_property", "classmethod", "contextmanager", "dataclass", "lru_cache", "njit",
    "overload", "property", "runtime_checkable", "staticmethod",
}  # fmt: skip
"""Decorators that leave a function or class to its callers; any other one hands it to something that calls it."""
TEXT = re.compile(r'""".*?"""|#[^\n]*', re.DOTALL)
OUTSIDE = ("benchmarks", "docker", "docs", "plugins")
"""Folders with programs that use the package."""
CLIENT = "client"
"""The Python client is there for users: what it offers, the documentation mentions."""
CALLED_BY_LIBRARIES = {
    "_connect", "_read_file", "check_run_worker_health", "config_type", "get_fs", "get_run_worker_debug_info",
    "inst_data", "launch_run", "readinto", "seekable", "settings_customise_sources", "supports_check_run_worker_health",
    "writable",
}  # fmt: skip
"""Methods of classes that a library calls."""


@dataclass(frozen=True)
class Definition:
    """A function, class or method."""

    path: str
    name: str
    is_method: bool


def code_of(path: Path) -> str:
    """A file without docstrings and comments."""
    text = path.read_text(errors="replace")
    return TEXT.sub("", text) if path.suffix == ".py" else text


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))


def definitions(path: str, code: str) -> Iterator[Definition]:
    """What a module defines and hands to nothing by a decorator."""
    lines = code.splitlines()
    for number, line in enumerate(lines):
        match = DEFINITION.match(line)
        if match is None or match[2].startswith("__"):
            continue
        above = number
        while above and lines[above - 1].strip():
            above -= 1
        decorators = {found[1] for text in lines[above:number] if (found := DECORATOR.match(text))}
        if not decorators - PLAIN:
            yield Definition(path, match[2], bool(match[1]))


def unused(modules: dict[str, str], outside: str = "", documents: str = "") -> list[str]:
    """Definitions that no other code names.

    Parameters
    ----------
    modules : dict
        Code of the package by path below it.
    outside : str
        What else uses the package: templates, programs, settings of launchers.
    documents : str
        Where the client is documented.
    """
    counted = {path: words(code) for path, code in modules.items()}
    elsewhere, documented = words(outside), words(documents)
    total = Counter(elsewhere)
    for one in counted.values():
        total.update(one)
    defined = [one for path, code in modules.items() for one in definitions(path, code)]
    times = Counter(one.name for one in defined)

    def is_used(one: Definition) -> bool:
        if one.is_method:
            return total[one.name] > times[one.name] or one.name in CALLED_BY_LIBRARIES
        stem = Path(one.path).parent.name if one.path.endswith("__init__.py") else Path(one.path).stem
        return (
            counted[one.path][one.name] > 1
            or one.name in elsewhere
            or any(one.name in found and stem in found for path, found in counted.items() if path != one.path)
        )

    return [
        f"{one.path}: {one.name}"
        for one in defined
        if not is_used(one) and not (one.path.startswith(CLIENT) and one.name in documented)
    ]


def of_the_package() -> list[str]:
    ran = [*PACKAGE.rglob("migrations/**/*.py")]
    paths = sorted({*PACKAGE.rglob("*.py")} - {*ran})
    modules = {path.relative_to(PACKAGE).as_posix(): code_of(path) for path in paths}
    programs = [*ROOT.glob("*"), *ran, *(path for place in OUTSIDE for path in (ROOT / place).rglob("*"))]
    outside = [
        *PACKAGE.rglob("*.html"),
        *(path for path in programs if path.suffix in (".py", ".yaml", ".yml", ".toml") and path.is_file()),
    ]
    documents = "\n".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")))
    named = "\n".join(re.findall(r"broker_assets(?:\.\w+)+:\w+", documents))  # classes that settings choose
    return unused(modules, "\n".join([*map(code_of, outside), named]), documents)


def test_everything_is_used() -> None:
    found = of_the_package()
    assert not found, (
        "only tests use these: remove each, give it its door, or say that a library calls it: " + "; ".join(found)
    )


def test_what_is_unused_is_found() -> None:
    one = """
def used(): ...


def alone(): ...


@app.command()
def command(): ...


class Thing:
    @property
    def shown(self): ...

    def called(self): ...

    def idle(self): ...
"""
    two = """
from a.one import Thing, used

used(Thing().called())


@lru_cache(
    maxsize=1
)
def kept(): ...
"""
    modules = {"a/one.py": one, "a/two.py": two, "a/three.py": "alone = kept = 1\n"}
    assert unused(modules, "{{ thing.shown }}") == ["a/one.py: alone", "a/one.py: idle", "a/two.py: kept"]


if __name__ == "__main__":
    print(*of_the_package(), sep="\n")
