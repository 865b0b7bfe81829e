"""Third-party scripts of the pages: files of packages of npm, at the versions of `vendor/versions.json`.

`python -m broker_assets.api.site.vendored` fetches the packages with `npm pack`, copies the files that are listed
unmodified and writes their hashes; entries with `parts` are bundled from several packages (`bundled`). To renew a
package, change its version there first.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

from broker_assets.api.site.bundled import bundle

FOLDER: Final = Path(__file__).parent / "static" / "vendor"
LIST: Final = "versions.json"


def read_list(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The packages: `name`, `version`, `licence`, and `files` with their path in the package, `name` and `sha256`.

    Bundles have files without a path, and `parts`, `exports` and `esbuild` in addition.
    """
    found: list[dict[str, Any]] = json.loads((folder / LIST).read_text())["packages"]
    return found


def differing(folder: Path = FOLDER) -> list[str]:
    """Files that differ from the list: missing, changed, or not in it."""
    wrong, known = [], {LIST}
    for package in read_list(folder):
        for file in package["files"]:
            name = f"{package['name']}/{file['name']}"
            known.add(name)
            path = folder / name
            if not path.is_file():
                wrong.append(f"{name} is missing")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
                wrong.append(f"{name} differs from the one of version {package['version']}")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return wrong + [f"{name} is not in {LIST}" for name in sorted(there - known)]


def extract(package: dict[str, Any], archive: bytes, folder: Path) -> dict[str, Any]:
    """Copy the listed files of a package.

    Parameters
    ----------
    package : dict
        Entry of the list.
    archive : bytes
        The package from npm: a compressed tar file with everything below `package/`.
    folder : Path
        Files are written to the subfolder with the package's name.

    Returns
    -------
    dict
        The entry with the hashes of these files.

    Raises
    ------
    KeyError
        If the package does not have a file.
    """
    files = []
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as found:
        for file in package["files"]:
            member = found.extractfile(f"package/{file['path']}")
            if member is None:
                raise KeyError(f"{package['name']} {package['version']} has no file {file['path']}")
            content = member.read()
            path = folder / package["name"] / file["name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            files.append(file | {"sha256": hashlib.sha256(content).hexdigest()})
    return package | {"files": files}


def renew(folder: Path = FOLDER) -> None:
    """Fetch all packages of the list.

    Raises
    ------
    RuntimeError
        If `npm` is not installed or does not fetch a package, or if the folder has files that the list lacks.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("npm is needed to fetch packages (Debian: apt-get install npm)")
    packages = []
    for package in read_list(folder):
        if "parts" in package:
            packages.append(bundle(package, folder, npm))
            continue
        wanted = f"{package['name']}@{package['version']}"
        with tempfile.TemporaryDirectory() as place:
            done = subprocess.run([npm, "pack", wanted], cwd=place, check=False, capture_output=True, text=True)  # noqa: S603
            found = list(Path(place).glob("*.tgz"))
            if done.returncode or len(found) != 1:
                raise RuntimeError(f"npm pack {wanted} failed: {done.stderr.strip()[-500:]}")
            packages.append(extract(package, found[0].read_bytes(), folder))
    (folder / LIST).write_text(json.dumps({"packages": packages}, indent=1, ensure_ascii=False) + "\n")
    if wrong := differing(folder):
        raise RuntimeError("; ".join(wrong))


if __name__ == "__main__":
    renew()
