"""Answers frozen so that they can be cited: kept byte by byte under an identifier that is derived from their content.

The same answer from the same versions has the same identifier, whenever it is frozen. Years later, it is returned
unchanged, or an error says exactly what is missing.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

import psycopg
import pyarrow as pa
import pyarrow.parquet
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from upath import UPath

from broker_assets.provenance.revisions import current_revision
from broker_assets.storage.objects import store

FOLDER: Final = "citable"
"""Folder in the object store."""
LAYOUT: Final = "1"
"""Increased when the same rows are packed into other bytes."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""Time of the files in a ZIP, which must not depend on when it was packed."""
_COLUMNS: Final = "snapshotid, sha256, bytes, path, title, question, versions, contents, created_at"


class UnknownSnapshot(LookupError):
    """There is no snapshot with this identifier."""


class SnapshotGone(Exception):
    """The bytes of a snapshot are missing or damaged; the message says which version that was."""


@dataclass(frozen=True)
class Snapshot:
    """A frozen answer."""

    snapshotid: str
    sha256: str
    bytes: int
    path: str
    title: str
    question: dict[str, Any]
    versions: dict[str, Any]
    contents: list[dict[str, Any]]
    """Name, rows and SHA-256 of each file in it."""
    created_at: datetime.datetime


def versions_in_force(connection: psycopg.Connection[Any], diaobjectid: Collection[int]) -> dict[str, Any]:
    """Versions of what is known about some objects.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    diaobjectid : collection of int
        Objects.

    Returns
    -------
    dict
        `package`; `revision`, the number of the newest change of lists; `code`, the versions of the code of assets;
        `features`, the versions of code and inputs with which the features of these objects were computed.
    """
    rows = connection.execute("SELECT asset, code_version FROM code ORDER BY asset").fetchall()
    computed = connection.execute(
        "SELECT DISTINCT fact.enrichment, fact.version, fact.inputs::text FROM object_features AS feature"
        " JOIN ingest_batch_facts AS fact ON fact.ingestid = feature.ingestid AND fact.night = feature.night"
        " AND fact.asset = 'object_features' WHERE diaobjectid = ANY(%s) ORDER BY 1, 2, 3",
        (list(diaobjectid),),
    ).fetchall()
    return {
        "package": metadata.version("broker_assets"),
        "layout": LAYOUT,
        "revision": current_revision(connection),
        "code": dict(rows),
        "features": [
            {"enrichment": name, "version": version, "inputs": json.loads(inputs)} for name, version, inputs in computed
        ],
    }


def packed(
    tables: Mapping[str, pa.Table], question: Mapping[str, Any], versions: Mapping[str, Any]
) -> tuple[bytes, list[dict[str, Any]]]:
    """An answer as one file: a ZIP with tables as Parquet, the question and the versions; equal for equal answers.

    Parameters
    ----------
    tables : mapping of str to Table
        Tables by name.
    question, versions : mapping
        What was asked, and what the answer was computed from; values of JSON.

    Returns
    -------
    bytes, list of dict
        The file, and name, rows and SHA-256 of each file in it.
    """
    files: dict[str, tuple[bytes, int | None]] = {}
    for name, table in sorted(tables.items()):
        sink = io.BytesIO()
        pyarrow.parquet.write_table(table.combine_chunks(), sink, compression="zstd")
        files[f"{name}.parquet"] = (sink.getvalue(), table.num_rows)
    for name, document in (("question", question), ("versions", versions)):
        text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
        files[f"{name}.json"] = (f"{text}\n".encode(), None)
    contents = [
        {"name": name, "rows": rows, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, (content, rows) in files.items()
    ]
    sums = "".join(f"{one['sha256']}  {one['name']}\n" for one in contents)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (
            *((name, content) for name, (content, _) in files.items()),
            ("SHA256SUMS", sums.encode()),
        ):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return target.getvalue(), contents


def keep(
    connection: psycopg.Connection[Any],
    root: UPath,
    tables: Mapping[str, pa.Table],
    *,
    question: Mapping[str, Any],
    versions: Mapping[str, Any],
    title: str = "",
) -> Snapshot:
    """Freeze an answer, or find it if it was frozen before.

    Parameters
    ----------
    connection : psycopg.Connection
        To write with.
    root : UPath
        The object store.
    tables, question, versions
        See `packed`.
    title : str
        Title for people.

    Raises
    ------
    OSError
        If the file cannot be written; then there is no snapshot.
    """
    content, contents = packed(tables, question, versions)
    sha256 = hashlib.sha256(content).hexdigest()
    identifier = f"s{sha256[:16]}"
    path = f"{FOLDER}/{identifier[1:3]}/{identifier}.zip"
    # The file first, so that a record never names a file that was not written. Writing it again repairs a damaged one.
    store(root.joinpath(path), content)
    connection.execute(
        "INSERT INTO snapshots (snapshotid, sha256, bytes, path, title, question, versions, contents)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (identifier, sha256, len(content), path, title, Jsonb(question), Jsonb(versions), Jsonb(contents)),
    )
    return find(connection, identifier)


def find(connection: psycopg.Connection[Any], identifier: str) -> Snapshot:
    """The record of a snapshot.

    Raises
    ------
    UnknownSnapshot
        If there is none.
    """
    with connection.cursor(row_factory=class_row(Snapshot)) as cursor:
        found = cursor.execute(f"SELECT {_COLUMNS} FROM snapshots WHERE snapshotid = %s", (identifier,)).fetchone()  # noqa: S608
    if found is None:
        raise UnknownSnapshot(f"there is no snapshot {identifier}")
    return found


def content_of(root: UPath, snapshot: Snapshot) -> bytes:
    """The bytes of a snapshot, exactly as they were frozen.

    Raises
    ------
    SnapshotGone
        If they are missing or have changed.
    """
    known = (
        f"snapshot {snapshot.snapshotid}, frozen {snapshot.created_at:%Y-%m-%d %H:%M:%S} UTC by version"
        f" {snapshot.versions.get('package')} at change {snapshot.versions.get('revision')} of the lists"
        f" (SHA-256 {snapshot.sha256}, {snapshot.bytes} bytes)"
    )
    try:
        content: bytes = root.joinpath(snapshot.path).read_bytes()
    except OSError as error:
        raise SnapshotGone(f"{known}: its file is no longer in the object store") from error
    if hashlib.sha256(content).hexdigest() != snapshot.sha256:
        raise SnapshotGone(f"{known}: its file in the object store is damaged")
    return content
