"""Moves the packet archive to another store, file by file, while the platform keeps running.

The index of the archive is the table `archive_file`: a file is copied and compared with its checksum there, and only
then is its address changed. Readers find the packets at any time.
"""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass

from upath import UPath

from broker_assets.accounting import ledger
from broker_assets.database.engine import connect
from broker_assets.packets import archive
from broker_assets.settings.places import folder_url
from broker_assets.storage.objects import store


@dataclass
class Moved:
    """What was moved."""

    files: int = 0
    bytes: int = 0
    there: int = 0
    """Files that were already in the other store."""


def move_archive(
    database_url: str,
    target: str,
    *,
    night: datetime.date | None = None,
    topic: str | None = None,
    remove: bool = False,
) -> Moved:
    """Copy the files of the archive to another store, and point the index to it.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the database.
    target : str
        fsspec URL of the folder, or its path on this machine; below it, files are arranged by topic and night, as the
        stream writes them.
    night, topic : date and str, optional
        Only these files.
    remove : bool
        Remove each file from the old store once the index points to the new one.

    Returns
    -------
    Moved

    Raises
    ------
    ArchiveError, OSError
        If a file is damaged or cannot be copied; those before it have been moved.
    """
    moved, root, same = Moved(), UPath(folder_url(target)), {}
    with connect(database_url, application="broker-assets archive", autocommit=True) as connection:
        for archivefileid, _, entry in ledger.archive_files(connection, night=night, topic=topic):
            old, new = UPath(entry.url), root / entry.topic / str(entry.night) / UPath(entry.url).name
            places = str(old.parent), str(new.parent)
            if places not in same:
                same[places] = _is_one_folder(old.parent, new.parent)
            if same[places] and old.name == new.name:
                moved.there += 1
                continue
            store(new, old.read_bytes())
            archive.verify(str(new), sha256=entry.sha256, packets=entry.packets)
            connection.execute(
                "UPDATE archive_file SET url = %s WHERE archivefileid = %s AND url = %s",
                (str(new), archivefileid, entry.url),
            )
            if remove:
                old.unlink()
            moved.files += 1
            moved.bytes += entry.bytes
    return moved


def _is_one_folder(old: UPath, new: UPath) -> bool:
    """Whether two addresses are those of one folder: by another spelling, a link, or another name of its server.

    A file that is written to one of them is then seen in the other. Without this, a file would be copied to itself and
    removed.
    """
    if str(old) == str(new):
        return True
    mark = f".moving-{uuid.uuid4().hex}"
    store(new / mark, b"")
    try:
        return bool((old / mark).exists())
    finally:
        (new / mark).unlink()
