"""Data versions of what drain runs and reprocessing write: hashes of what determines the content.

The rows of a night follow from the archived packets of that night and the code that read them. The version of the
archive is therefore the hash of its files, and that of the rows also includes the version of the code that made the
rows of each file. A night that is reprocessed by the code that first stored it keeps its versions. The versions of
facts are those of their content (`accounting.facts`).
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable
from typing import Any

import psycopg

from broker_assets.accounting import facts

ROW_ASSETS = ("sources", "forced_sources", "objects")
"""Assets consisting of the rows of a night."""

ARCHIVE_ASSET = "packet_archive"


def data_versions(connection: psycopg.Connection[Any], nights: Iterable[str]) -> dict[tuple[str, str], str]:
    """Data version of each asset of the stream for some nights.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to the database with the ledger.
    nights : iterable of str
        Keys `YYYY-MM-DD`.

    Returns
    -------
    dict
        Version by (asset, night); for facts only where they were computed.
    """
    versions: dict[tuple[str, str], str] = {}
    nights = sorted(set(nights))
    for night in nights:
        files = _files(connection, night)
        versions[ARCHIVE_ASSET, night] = _digest(f"{topic} {sha256}" for topic, sha256, _ in files)
        rows = _digest(f"{topic} {sha256} {code}" for topic, sha256, code in files)
        versions |= {(asset, night): _digest([asset, rows]) for asset in ROW_ASSETS}
    return versions | {key: found.data_version for key, found in facts.nights(connection, nights).items()}


def row_code_versions(connection: psycopg.Connection[Any], nights: Iterable[str], *, without: str) -> dict[str, str]:
    """Versions of the code that made the rows of some nights.

    A night may have rows of several: of before and after a deployment during the night, or of late alerts.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to the database with the ledger.
    nights : iterable of str
        Keys `YYYY-MM-DD`.
    without : str
        Version of nights without packets in the archive.

    Returns
    -------
    dict
        Version by night; several are joined by `, `, as those of facts (`accounting.facts.NightFacts`).
    """
    return {
        night: ", ".join(sorted({code for _, _, code in _files(connection, night)})) or without
        for night in sorted(set(nights))
    }


def _files(connection: psycopg.Connection[Any], night: str) -> list[tuple[str, str, str]]:
    """Topic, SHA-256 and code version of the rows of each archive file of a night, in the order of their writing."""
    # The rows of a file were made by its own batch, or by a later reprocessing of its night.
    return connection.execute(
        """
        SELECT file.topic, file.sha256, coalesce(
            (SELECT again.code_version
               FROM ingest_batch again JOIN ingest_batch_night brought USING (ingestid)
              WHERE again.kind = 'reprocess' AND brought.night = file.night AND again.topic = file.topic
                AND again.ingestid > file.ingestid
              ORDER BY again.ingestid DESC LIMIT 1),
            batch.code_version)
          FROM archive_file file JOIN ingest_batch batch USING (ingestid)
         WHERE file.night = %s
         ORDER BY file.archivefileid
        """,
        (datetime.date.fromisoformat(night),),
    ).fetchall()


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
