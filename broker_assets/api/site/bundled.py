"""Bundles of npm packages: one script of many modules, made with esbuild at the versions of `vendor/versions.json`.

An entry of the list is a bundle if it has `parts` (all its packages with their exact versions) and `exports` (the names
that the script exports, by package). The script assigns an object of these exports to a global variable of the bundle's
name.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_INSTALL = ("install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")


class WrongVersion(RuntimeError):
    """npm installed a version or a package that is not in the list; the message says which."""


def entry_text(exports: Mapping[str, Sequence[str]]) -> str:
    """The module from which a bundle is made.

    Examples
    --------
    >>> entry_text({"@codemirror/lang-sql": ["sql", "SQLDialect"]})
    'export { SQLDialect, sql } from "@codemirror/lang-sql";\\n'
    """
    return "".join(f'export {{ {", ".join(sorted(exports[name]))} }} from "{name}";\n' for name in sorted(exports))


def licences(parts: Mapping[str, str], modules: Path) -> str:
    """The licences of all packages of a bundle; equal ones once, with the packages that have them.

    Parameters
    ----------
    parts : mapping
        Versions by package.
    modules : Path
        The folder `node_modules` with these packages.

    Raises
    ------
    FileNotFoundError
        If a package comes without a licence.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(parts):
        text = (modules / name / "LICENSE").read_text().strip()
        found.setdefault(text, []).append(f"{name} {parts[name]}")
    return "\n\n".join(f"{', '.join(names)}\n\n{text}" for text, names in found.items()) + "\n"


def check_versions(parts: Mapping[str, str], modules: Path, bundler: str) -> None:
    """Check that the packages of a bundle and the bundler are installed, and nothing else.

    Raises
    ------
    WrongVersion
        If not.
    """
    there = {}
    for path in (*modules.glob("*/package.json"), *modules.glob("@*/*/package.json")):
        about = json.loads(path.read_text())
        there[about["name"]] = about["version"]
    others = {
        name: version for name, version in there.items() if name != "esbuild" and not name.startswith("@esbuild/")
    }
    if others != dict(parts) or there.get("esbuild") != bundler:
        differ = sorted(set(others.items()) ^ set(parts.items()))
        raise WrongVersion(f"installed and listed packages differ: {differ}, esbuild {there.get('esbuild')}")


def bundle(package: dict[str, Any], folder: Path, npm: str) -> dict[str, Any]:
    """Build the script of an entry of the list, and its file of licences.

    Parameters
    ----------
    package : dict
        Entry with `name`, `esbuild`, `parts`, `exports`; its files are `<name>.min.js` and `LICENSE`.
    folder : Path
        Files are written to the subfolder with the entry's name.
    npm : str
        The command.

    Returns
    -------
    dict
        The entry with the hashes of the files.

    Raises
    ------
    RuntimeError
        If npm or esbuild fails.
    """
    wanted = [f"{name}@{version}" for name, version in package["parts"].items()]
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        (work / "package.json").write_text('{"name": "bundle", "private": true}')
        _run([npm, *_INSTALL, *wanted, f"esbuild@{package['esbuild']}"], work)
        check_versions(package["parts"], work / "node_modules", package["esbuild"])
        (work / "entry.js").write_text(entry_text(package["exports"]))
        options = ("--bundle", "--minify", "--format=iife", "--legal-comments=none", "--charset=utf8")
        program = str(work / "node_modules" / ".bin" / "esbuild")
        _run([program, "entry.js", *options, f"--global-name={package['name']}", "--outfile=out.js"], work)
        contents = {
            f"{package['name']}.min.js": (work / "out.js").read_bytes(),
            "LICENSE": licences(package["parts"], work / "node_modules").encode(),
        }
    target = folder / package["name"]
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for name, content in contents.items():
        (target / name).write_bytes(content)
        files.append({"name": name, "sha256": hashlib.sha256(content).hexdigest()})
    return package | {"files": files}


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{command[0]} {command[1]} failed: {done.stderr.strip()[-500:]}")
