"""Finds archive files of a run that died before its commit, by the notes it left, and removes them.

A file is written before the transaction that records it. Before writing, a run leaves a note of the files to come;
after the commit it removes the note. The next run of those partitions, which holds their locks and therefore knows that
the writer has ended, removes the files in the notes it finds, except those recorded in the database. Unlike a search
through all files, the cost does not grow with the archive.

A writer that was only suspended may resume and continue to write. The note is therefore renamed before the files are
searched for, and the writer checks its note after it has written: one of the two detects the other.
"""

from __future__ import annotations

import contextlib
import json
import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from upath import UPath

from broker_assets.accounting.ledger import StaleStreamPosition
from broker_assets.storage.atomic import hidden_pattern

logger = logging.getLogger(__name__)

NOTES = "pending"
"""Folder of the notes, below that of the topic."""

CLAIMED = ".claimed"
"""Suffix of a note whose writer is presumed dead and must not continue if it is still alive."""


@dataclass(frozen=True)
class ExpectedFile:
    """A file to be written: its folder, below that of the topic, and its name."""

    folder: str
    name: str


class PendingFiles:
    """The notes of one topic.

    Parameters
    ----------
    archive_url, topic : str
        fsspec URL of the archive, and the folder in it.
    """

    def __init__(self, archive_url: str, topic: str) -> None:
        self._root = UPath(archive_url) / topic
        self._notes = self._root / NOTES
        self._announced: dict[UPath, list[tuple[str, str]]] = {}

    def announce(self, partitions: Sequence[int], files: Iterable[ExpectedFile]) -> UPath:
        """Leave a note; call before the first file is written.

        Parameters
        ----------
        partitions : sequence of int
            Kafka partitions that the run holds; the note is filed under the lowest.
        files : iterable of ExpectedFile
            The files to be written.

        Returns
        -------
        UPath
            The note, for `settle`.
        """
        note = self._notes / f"{min(partitions)}.{uuid.uuid4().hex}.json"
        self._notes.mkdir(parents=True, exist_ok=True)
        announced = [(file.folder, file.name) for file in files]
        try:
            note.write_text(json.dumps(announced))
        except OSError:
            with contextlib.suppress(OSError):
                note.unlink(missing_ok=True)
            raise
        self._announced[note] = announced
        return note

    def confirm(self, note: UPath) -> None:
        """Ensure that the writer was not presumed dead meanwhile; call after the last file is written.

        Raises
        ------
        StaleStreamPosition
            If it was presumed dead. The files of the note have been removed.
        """
        if note.exists():
            return
        for folder, name in self._announced.pop(note, ()):
            (self._root / folder / name).unlink(missing_ok=True)
        raise StaleStreamPosition("another run has taken over these partitions; the files written for them are removed")

    def settle(self, note: UPath | None) -> None:
        """Remove a note; call after the commit."""
        if note is not None:
            self._announced.pop(note, None)
            note.unlink(missing_ok=True)

    def sweep(self, partitions: Sequence[int], known: Callable[[list[str]], set[str]]) -> int:
        """Remove files left by dead runs of these partitions.

        Parameters
        ----------
        partitions : sequence of int
            Partitions whose locks the caller holds.
        known : callable
            Returns those of the given URLs that are in `archive_file`.

        Returns
        -------
        int
            Number of files removed.
        """
        if not self._notes.exists():
            return 0
        owners = {str(partition) for partition in partitions}
        removed = 0
        for note in list(self._notes.iterdir()):
            owner, _, _ = note.name.partition(".")
            if owner not in owners:
                continue
            try:
                claimed = note if note.name.endswith(CLAIMED) else note.rename(note.with_name(note.name + CLAIMED))
            except FileNotFoundError:  # just settled
                continue
            with contextlib.suppress(FileNotFoundError, ValueError):
                # Not JSON: killed while it wrote the note, and therefore before it wrote any file.
                removed += self._remove(json.loads(claimed.read_text()), known)
            claimed.unlink(missing_ok=True)
        return removed

    def _remove(self, files: Iterable[Sequence[str]], known: Callable[[list[str]], set[str]]) -> int:
        expected = [self._root / folder / name for folder, name in files]
        kept = known([str(path) for path in expected])
        removed = 0
        for path in expected:
            if str(path) in kept or not path.parent.exists():
                continue
            # Under its own name, or under the hidden name that it had while it was written.
            for found in [path, *path.parent.glob(hidden_pattern(path.name))]:
                if found.exists():
                    logger.info("removing %s, which no commit recorded", found)
                    found.unlink(missing_ok=True)
                    removed += 1
        return removed
