"""Rubin's alert schemas, read from the data files of the optional package ``lsst-alert-packet``.

Only files are read: no code of that package is imported, so its dependencies are not needed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import fastavro.schema

from broker_assets.packets.registry import rubin_schema_folder

DISTRIBUTION = "lsst-alert-packet"
DEFAULT_VERSION = "11.1"
OLDEST_MAJOR = 7
"""Older schemas are different (no band, other id names); the broker does not read them."""


class SchemasNotInstalled(RuntimeError):
    """The package with Rubin's alert schemas is not installed."""


def installed_folder() -> Path:
    """The folder `<major>/<minor>/*.avsc` of the installed package.

    Raises
    ------
    SchemasNotInstalled
        If it is not installed; the message says what to install.
    """
    folder = rubin_schema_folder()
    if folder is None:
        raise SchemasNotInstalled(
            f"Rubin's alert schemas are not installed: install the optional package with `pip install {DISTRIBUTION}` "
            "or name a folder of schemas"
        )
    return folder


def versions(folder: Path | None = None) -> tuple[str, ...]:
    """Available schema versions that can be generated, oldest first, as `major.minor`."""
    folder = folder or installed_folder()
    found = [
        (int(path.parts[-3]), int(path.parts[-2]))
        for path in folder.glob("*/*/lsst.v*.alert.avsc")
        if int(path.parts[-3]) >= OLDEST_MAJOR
    ]
    return tuple(f"{major}.{minor}" for major, minor in sorted(found))


def load(version: str, folder: Path | None = None) -> dict[str, Any]:
    """The parsed alert schema of a version, with the nested records in it.

    Raises
    ------
    ValueError
        If there is no such version; the message lists the existing ones.
    """
    folder = folder or installed_folder()
    major, _, minor = version.partition(".")
    path = folder / major / (minor or "0") / f"lsst.v{major}_{minor or '0'}.alert.avsc"
    if version not in versions(folder) and not path.is_file():
        raise ValueError(f"no Rubin alert schema {version!r}; available: {', '.join(versions(folder))}")
    schema: Any = fastavro.schema.load_schema(str(path))
    return dict(schema)


def copy(version: str, target: Path, folder: Path | None = None) -> None:
    """Copy the files of a version to `<target>/<major>/<minor>/`."""
    major, _, minor = version.partition(".")
    source = (folder or installed_folder()) / major / (minor or "0")
    destination = target / major / (minor or "0")
    destination.mkdir(parents=True, exist_ok=True)
    for file in source.glob("*.avsc"):
        shutil.copyfile(file, destination / file.name)


def schema_id(version: str) -> int:
    """The id of a version in Confluent framing, as in Rubin's registry.

    Examples
    --------
    >>> schema_id("9.0"), schema_id("11.1")
    (900, 1101)
    """
    major, _, minor = version.partition(".")
    return 100 * int(major) + int(minor or 0)
