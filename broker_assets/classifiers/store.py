"""Models on disk: complete versions side by side, one of which may be active for each classifier.

A classifier has a folder with its versions, and a small file that names the active one. A version never changes: the
model that scored an alert can be inspected for as long as its version is kept.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker_assets.classifiers.checking import DESCRIPTION, MODEL, Checked, check
from broker_assets.classifiers.description import ClassifierError, Description, parse
from broker_assets.classifiers.model import Model
from broker_assets.storage.atomic import hidden_folder, move_folder, replace_atomically

POINTER: Final = "active.json"
ABOUT: Final = "about.json"
NONE: Final = "none"
"""Version of the set of active classifiers when it is empty."""


@dataclass(frozen=True)
class Stored:
    """A version of a classifier in the store."""

    name: str
    version: str
    active: bool
    sha256: str
    """SHA-256 of description and model."""
    bytes: int
    """Size of the model."""
    source: str
    """From where it was added."""
    folder: Path

    def description(self) -> Description:
        """Its inputs and outputs."""
        return parse((self.folder / DESCRIPTION).read_text(encoding="utf-8"), where=f"{self.name} {self.version}")

    def load(self) -> Model:
        """The model, ready to run.

        Raises
        ------
        ClassifierError
            If its files are damaged or missing.
        """
        try:
            content = (self.folder / MODEL).read_bytes()
            text = (self.folder / DESCRIPTION).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ClassifierError(f"{self.name} {self.version} cannot be read: {error}") from error
        if digest(text, content) != self.sha256:
            raise ClassifierError(f"{self.name} {self.version} is damaged: add it again under another version")
        return Model(parse(text, where=f"{self.name} {self.version}"), content)


class ClassifierStore:
    """The classifiers of a folder.

    Parameters
    ----------
    folder : Path
        May be absent; then there are no classifiers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, folder: Path, *, activate: bool = True) -> Stored:
        """Check a model and add it.

        Parameters
        ----------
        folder : Path
            See `checking.check`.
        activate : bool
            Whether it is the active version from now on.

        Raises
        ------
        ClassifierError
            If it cannot be used, or the version exists with another content.
        """
        return self.put(check(folder), source=str(folder), activate=activate)

    def put(self, checked: Checked, *, source: str, activate: bool = True) -> Stored:
        """Add a model that was checked; see `add`.

        Raises
        ------
        ClassifierError
            If the version exists with another content.
        """
        name, version = checked.description.name, checked.description.version
        sha256 = digest(checked.text, checked.content)
        target = self.folder / name / version
        if not target.exists():
            with hidden_folder(self.folder / name, version) as building:
                (building / MODEL).write_bytes(checked.content)
                (building / DESCRIPTION).write_text(checked.text, encoding="utf-8")
                about = {"sha256": sha256, "bytes": len(checked.content), "source": source}
                (building / ABOUT).write_text(json.dumps(about))
                try:
                    move_folder(building, target)
                except OSError:
                    if not target.exists():  # else another process has just added the same version
                        raise
        found = self.get(name, version)
        if found.sha256 != sha256:
            raise ClassifierError(f"{name} {version} exists with another content: give the new one another version")
        return self.activate(name, version) if activate else found

    def versions(self) -> list[Stored]:
        """All versions of all classifiers, by name and version."""
        return [
            self._stored(path.parent.parent.name, path.parent.name)
            for path in sorted(self.folder.glob(f"*/*/{ABOUT}"))
            if not path.parent.name.startswith(".")
        ]

    def active(self) -> list[Stored]:
        """The active version of each classifier that has one, by name."""
        found = []
        for path in sorted(self.folder.glob(f"*/{POINTER}")):
            version = _active(path)
            # A version that is being removed is no longer active.
            if version is not None and (path.parent / version / ABOUT).is_file():
                found.append(self._stored(path.parent.name, version))
        return found

    def get(self, name: str, version: str | None = None) -> Stored:
        """A version of a classifier, by default the active one, or the only one.

        Raises
        ------
        ClassifierError
            If there is none.
        """
        known = [item for item in self.versions() if item.name == name]
        if not known:
            present = ", ".join(sorted({item.name for item in self.versions()})) or "none"
            raise ClassifierError(f"there is no classifier {name!r}; there are: {present}")
        chosen = [item for item in known if (item.active if version is None else item.version == version)]
        if version is None and len(known) == 1:
            chosen = known
        if not chosen:
            wanted = "active version" if version is None else f"version {version!r}"
            raise ClassifierError(f"{name} has no {wanted}; it has: {', '.join(item.version for item in known)}")
        return chosen[0]

    def activate(self, name: str, version: str | None) -> Stored:
        """Make a version the active one; with None, no version is active.

        Raises
        ------
        ClassifierError
            If there is no such version.
        """
        found = self.get(name, version)
        replace_atomically(self.folder / name / POINTER, json.dumps({"version": version}))
        return self.get(name, found.version)

    def remove(self, name: str, version: str | None = None) -> list[str]:
        """Remove a version that is not active, or a classifier with all its versions; returns the versions.

        Raises
        ------
        ClassifierError
            If there is none, or the version is active.
        """
        known = [item for item in self.versions() if item.name == name]
        if version is None and known:
            (self.folder / name / POINTER).unlink(missing_ok=True)
            shutil.rmtree(self.folder / name)
            return [item.version for item in known]
        found = self.get(name, version)
        if found.active:
            raise ClassifierError(f"{name} {found.version} is active: activate another version first, or none")
        shutil.rmtree(found.folder)
        return [found.version]

    def _stored(self, name: str, version: str) -> Stored:
        folder = self.folder / name / version
        active = _active(self.folder / name / POINTER) == version
        try:
            about = json.loads((folder / ABOUT).read_bytes())
            return Stored(name=name, version=version, active=active, folder=folder, **about)
        except (ValueError, TypeError) as error:
            raise ClassifierError(f"{folder / ABOUT} is damaged: {error}") from error


def _active(pointer: Path) -> str | None:
    """The version that a pointer names, if there is one."""
    try:
        version = json.loads(pointer.read_bytes())["version"]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise ClassifierError(f"{pointer} is damaged: {error!r}; activate a version again") from error
    return None if version is None else str(version)


def digest(text: str, content: bytes) -> str:
    """SHA-256 of a description and a model."""
    return hashlib.sha256(hashlib.sha256(text.encode()).digest() + hashlib.sha256(content).digest()).hexdigest()


def set_version(active: list[Stored]) -> str:
    """Version of a set of active classifiers, readable.

    Examples
    --------
    >>> set_version([])
    'none'
    """
    return ", ".join(f"{item.name} {item.version} ({item.sha256[:8]})" for item in active) or NONE
