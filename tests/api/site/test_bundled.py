"""Bundles have exactly the packages of the list, and the licences of all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from broker_assets.api.site import vendored
from broker_assets.api.site.bundled import WrongVersion, check_versions, entry_text, licences


def _modules(folder: Path, **packages: str) -> Path:
    for name, version in packages.items():
        place = folder / name.replace("__", "/")
        place.mkdir(parents=True)
        real = "@" + name.replace("__", "/") if "__" in name else name
        (place / "package.json").write_text(json.dumps({"name": real, "version": version}))
        (place / "LICENSE").write_text(f"Terms of {name[0]}\n")
    return folder


def test_the_entry_names_what_is_offered() -> None:
    assert entry_text({"b": ["y", "x"], "a": ["z"]}) == 'export { z } from "a";\nexport { x, y } from "b";\n'


def test_equal_licences_are_there_once_with_their_packages(tmp_path: Path) -> None:
    text = licences({"ab": "1", "ac": "2", "b": "3"}, _modules(tmp_path, ab="1", ac="2", b="3"))
    assert text == "ab 1, ac 2\n\nTerms of a\n\nb 3\n\nTerms of b\n"
    with pytest.raises(FileNotFoundError):
        licences({"d": "1"}, tmp_path)


def test_other_versions_than_those_of_the_list_are_refused(tmp_path: Path) -> None:
    modules = _modules(tmp_path, a="1", b="2", esbuild="3")
    check_versions({"a": "1", "b": "2"}, modules, "3")
    for parts, bundler in (({"a": "1"}, "3"), ({"a": "1", "b": "1"}, "3"), ({"a": "1", "b": "2"}, "4")):
        with pytest.raises(WrongVersion):
            check_versions(parts, modules, bundler)


def test_every_version_of_a_bundle_is_exact() -> None:
    bundles = [package for package in vendored.read_list() if "parts" in package]
    assert [package["name"] for package in bundles] == ["codemirror"]
    for package in bundles:
        assert set(package["exports"]) <= set(package["parts"])
        assert all(version.replace(".", "").isdigit() for version in package["parts"].values())
        assert {file["name"] for file in package["files"]} == {f"{package['name']}.min.js", "LICENSE"}
