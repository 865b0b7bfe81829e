"""Product files: what each was made from, which must be rebuilt, and where each comes from.

Every version of a file is kept in `product_file`; the current one has no `superseded_at`. A file is stale if the code
that makes it has changed, if an input has another version for its day, if a parent has other content or no longer
exists, or if a parent is itself stale (`staleness`). Only the highest processing version of a kind, day and request is
considered: a file of an earlier version stays as it is.

All functions work in the caller's transaction.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath, PurePosixPath
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict

from broker_assets.provenance.staleness import Staleness, code_change, stale_query, version_change


class FileRecord(BaseModel):
    """A product file as described by the archive; any object with these attributes."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    path: PurePosixPath
    """Path in the archive."""
    level: str
    """Processing level."""
    family: str
    """Family of products."""
    kind: str
    """Kind, as in file names."""
    version: int
    """Processing version."""
    day: datetime.date
    """Observation day."""
    request: tuple[int, int] | None = None
    """Telecommand sequence control and request id."""
    rows: int
    """Rows of the data table."""
    start: str
    """Start of the data."""
    end: str
    """End of the data."""
    digest: str
    """SHA-256 of the content without DATE, CHECKSUM and DATASUM."""
    size: int
    """Bytes."""
    parents: tuple[str, ...] = ()
    """Names of the product files that it was made from."""
    raw_files: tuple[str, ...] = ()
    """Names of the telemetry files that its packets came from."""
    inputs: Mapping[str, str] = {}
    """Other inputs: version by name of the input."""
    incomplete: bool = False
    """Whether packets are missing."""


class Recorded(BaseModel):
    """Outcome of recording files."""

    model_config = ConfigDict(frozen=True)

    new: int = 0
    """Number of paths that were new."""
    replaced: int = 0
    """Files whose content changed."""
    unchanged: int = 0
    """Files with the same content."""
    removed: int = 0
    """Files that are no longer produced."""


class Used(BaseModel):
    """An input of a file."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["input", "parent", "raw"]
    """input: database, configuration, kernels, …; parent: a product file; raw: a telemetry file."""
    name: str
    """Its name."""
    version: str
    """Data version or SHA-256 that was used; empty if unknown."""
    detail: str = ""
    """Description of that version."""


class FileWhy(BaseModel):
    """A version of a product file and where it comes from."""

    model_config = ConfigDict(frozen=True)

    productfileid: int
    """Identifier of the version."""
    path: str
    """Path in the archive."""
    level: str
    """Processing level."""
    family: str
    """Family of products."""
    kind: str
    """Kind, as in file names."""
    version: int
    """Processing version."""
    day: datetime.date
    """Observation day."""
    request: int | None
    """Request id."""
    request_control: int | None
    """Sequence control of the telecommand that requested it."""
    rows: int
    """Rows of the data table."""
    starts: str
    """Start of the data."""
    ends: str
    """End of the data."""
    incomplete: bool
    """Whether packets are missing."""
    digest: str
    """SHA-256 of the content without DATE, CHECKSUM and DATASUM."""
    size: int
    """Bytes."""
    code_version: str
    """Version of the code that made it."""
    run_id: str | None
    """Dagster run that wrote it."""
    made_at: datetime.datetime
    """When this content was first recorded."""
    checked_run_id: str | None
    """Last run that rebuilt it and found it unchanged."""
    checked_at: datetime.datetime | None
    """When that was."""
    superseded_at: datetime.datetime | None
    """When another version replaced it; None while it is current."""
    used: tuple[Used, ...] = ()
    """Its inputs, parents and telemetry files."""


class StaleFile(Staleness):
    """A product file that must be rebuilt, and why."""

    path: str
    """Path in the archive."""
    name: str
    """Name of the file."""
    level: str
    """Processing level."""
    family: str
    """Family of products."""
    day: datetime.date
    """Observation day."""
    cause: Literal["code", "input", "missing", "parent", "upstream"]
    """code: another code version; input: an input has another version for the day; missing: an input or parent no
    longer exists; parent: a parent has other content; upstream: a parent is stale."""


def record(
    connection: psycopg.Connection[Any],
    files: Iterable[FileRecord],
    *,
    removed: Iterable[str | PurePath] = (),
    run_id: str | None,
    code_version: str,
    input_versions: Mapping[datetime.date, Mapping[str, str]] | None = None,
) -> Recorded:
    """Record product files as they are in the archive now.

    If the digest of a file is that of the current version, it stays that version; its inputs and code are updated.
    Recording the same again only changes the time of the check.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    files : iterable of FileRecord
        Files written or found unchanged; those of a lower level first, since children record the content of parents.
    removed : iterable of str
        Paths of files that are no longer produced.
    run_id : str or None
        Dagster run.
    code_version : str
        Version of the code that made the files.
    input_versions : mapping, optional
        Data version of each input by day, which `stale` compares; the versions named in the files are kept as
        details. Without it, the latter are compared.
    """
    counts = {"new": 0, "replaced": 0, "unchanged": 0}
    # By path, so that two writers never deadlock; levels sort alphabetically except CAL.
    for file in sorted(files, key=lambda item: (_ORDER.get(item.level, 9), str(item.path))):
        counts[_record_one(connection, file, run_id, code_version, (input_versions or {}).get(file.day))] += 1
    gone = connection.execute(
        "UPDATE product_file SET superseded_at = clock_timestamp() WHERE path = ANY(%s) AND superseded_at IS NULL",
        (sorted(str(path) for path in removed),),
    ).rowcount
    return Recorded(**counts, removed=gone)


_ORDER = {"LB": 0, "L0": 1, "L1": 2, "L2": 3, "CAL": 3, "ANC": 3, "LL01": 3, "LL03": 3}


def _record_one(
    connection: psycopg.Connection[Any],
    file: FileRecord,
    run_id: str | None,
    code_version: str,
    versions: Mapping[str, str] | None,
) -> str:
    before = connection.execute(
        "SELECT productfileid, digest FROM product_file WHERE path = %s AND superseded_at IS NULL FOR UPDATE",
        (str(file.path),),
    ).fetchone()
    if before is not None and before[1] == file.digest:
        connection.execute(
            "UPDATE product_file SET code_version = %s, checked_run_id = %s, checked_at = clock_timestamp(),"
            " version = %s, day = %s, family = %s, kind = %s, size = %s WHERE productfileid = %s",
            (code_version, run_id, file.version, file.day, file.family, file.kind, file.size, before[0]),
        )
        _record_used(connection, before[0], file, versions)
        return "unchanged"
    if before is not None:
        connection.execute(
            "UPDATE product_file SET superseded_at = clock_timestamp() WHERE productfileid = %s", (before[0],)
        )
    control, request = file.request or (None, None)
    inserted = connection.execute(
        "INSERT INTO product_file (path, name, level, family, kind, version, day, request_control, request, rows,"
        " starts, ends, digest, size, incomplete, code_version, run_id, made_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp())"
        " RETURNING productfileid",
        (
            *(str(file.path), file.path.name, file.level, file.family, file.kind, file.version, file.day),
            *(control, request, file.rows, file.start, file.end, file.digest, file.size, file.incomplete),
            *(code_version, run_id),
        ),
    ).fetchone()
    identifier: int = inserted[0]  # type: ignore[index]
    if before is not None:
        connection.execute(
            "UPDATE product_file SET superseded_by = %s WHERE productfileid = %s", (identifier, before[0])
        )
    _record_used(connection, identifier, file, versions)
    return "new" if before is None else "replaced"


def _record_used(
    connection: psycopg.Connection[Any], identifier: int, file: FileRecord, versions: Mapping[str, str] | None
) -> None:
    inputs = [
        ("input", name, version if versions is None else versions.get(name, ""), "" if versions is None else version)
        for name, version in file.inputs.items()
    ]
    # The parents of files of raw packets are telemetry files.
    parents = [name for name in file.parents if name not in file.raw_files]
    files = [("parent", name) for name in parents] + [("raw", name) for name in file.raw_files]
    connection.execute("DELETE FROM product_file_input WHERE productfileid = %s", (identifier,))
    connection.execute(
        "INSERT INTO product_file_input (productfileid, kind, name, version, detail)"
        " SELECT %(id)s, * FROM unnest(%(kinds)s::text[], %(names)s::text[], %(versions)s::text[], %(details)s::text[])"
        " UNION ALL"
        " SELECT %(id)s, kind, used.name, coalesce(CASE kind WHEN 'parent' THEN ("
        "   SELECT digest FROM product_file WHERE product_file.name = used.name AND superseded_at IS NULL"
        "   ORDER BY made_at DESC LIMIT 1) ELSE ("
        "   SELECT sha256 FROM telemetry_file WHERE telemetry_file.name = used.name AND state = 'processed'"
        "   ORDER BY processed_at DESC LIMIT 1) END, ''), ''"
        " FROM unnest(%(file_kinds)s::text[], %(file_names)s::text[]) AS used (kind, name)"
        " ON CONFLICT DO NOTHING",
        {
            "id": identifier,
            "kinds": [item[0] for item in inputs],
            "names": [item[1] for item in inputs],
            "versions": [item[2] for item in inputs],
            "details": [item[3] for item in inputs],
            "file_kinds": [kind for kind, _ in files],
            "file_names": [name for _, name in files],
        },
    )


def why(connection: psycopg.Connection[Any], name: str) -> list[FileWhy]:
    """Find where a product file comes from.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    name : str
        Name of the file, or its path in the archive or elsewhere.

    Returns
    -------
    list of FileWhy
        The current version first, then earlier ones. Empty if no such file was ever recorded.
    """
    with connection.cursor(row_factory=class_row(FileWhy)) as cursor:
        columns = ", ".join(field for field in FileWhy.model_fields if field != "used")
        cursor.execute(
            f"SELECT {columns} FROM product_file WHERE name = %s"  # noqa: S608 (names of our own fields)
            " ORDER BY superseded_at IS NOT NULL, productfileid DESC",
            (PurePosixPath(name).name,),
        )
        found = cursor.fetchall()
    return [item.model_copy(update={"used": _used(connection, item.productfileid)}) for item in found]


def _used(connection: psycopg.Connection[Any], identifier: int) -> tuple[Used, ...]:
    with connection.cursor(row_factory=class_row(Used)) as cursor:
        cursor.execute(
            "SELECT kind, name, version, detail FROM product_file_input WHERE productfileid = %s ORDER BY kind, name",
            (identifier,),
        )
        return tuple(cursor.fetchall())


def stale(
    connection: psycopg.Connection[Any],
    *,
    inputs: Mapping[datetime.date, Mapping[str, str]] | None = None,
    code_versions: Mapping[tuple[str, str], str] | None = None,
    levels: Sequence[str] | None = None,
) -> list[StaleFile]:
    """List the files that must be rebuilt.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    inputs : mapping, optional
        Current versions of inputs: data version by name of the input, by day. Days that are not given are not compared;
        an input that a day lacks counts as missing.
    code_versions : mapping, optional
        Deployed code version by level and kind; others are not compared.
    levels : sequence of str, optional
        Only files of these levels are listed.

    Returns
    -------
    list of StaleFile
        Ordered by depth, then path: each file comes after those it is made from.
    """
    days = inputs or {}
    present = [(day, name, version) for day, found in days.items() for name, version in found.items()]
    deployed = [(level, kind, version) for (level, kind), version in (code_versions or {}).items()]
    with connection.cursor(row_factory=class_row(StaleFile)) as cursor:
        cursor.execute(
            _STALE,
            {
                "compared": list(days),
                "days": [item[0] for item in present],
                "names": [item[1] for item in present],
                "versions": [item[2] for item in present],
                "levels": [item[0] for item in deployed],
                "kinds": [item[1] for item in deployed],
                "codes": [item[2] for item in deployed],
                "wanted": list(levels) if levels is not None else None,
            },
        )
        return cursor.fetchall()


_GIVEN: Final = """
kept AS (
    SELECT product_file.*, max(version) OVER (PARTITION BY level, kind, day, request_control, request) AS highest
    FROM product_file WHERE superseded_at IS NULL
),
file AS (SELECT * FROM kept WHERE version = highest),
present AS (
    SELECT * FROM unnest(%(days)s::date[], %(names)s::text[], %(versions)s::text[]) AS given (day, name, version)
),
deployed AS (
    SELECT * FROM unnest(%(levels)s::text[], %(kinds)s::text[], %(codes)s::text[])
        AS given (level, kind, code_version)
),
"""
_CODE: Final = code_change("file.code_version", "deployed.code_version")
_INPUT: Final = version_change("used.version", "present.version")
_FIRST: Final = f"""
    SELECT level, file.path, 'code', {_CODE}
    FROM file JOIN deployed USING (level, kind) WHERE file.code_version <> deployed.code_version
    UNION ALL
    SELECT file.level, file.path, CASE WHEN present.day IS NULL THEN 'missing' ELSE 'input' END,
           'input ' || used.name || CASE WHEN present.day IS NULL THEN ' is gone' ELSE ' ' || {_INPUT} END
    FROM file JOIN product_file_input AS used USING (productfileid)
    LEFT JOIN present ON present.day = file.day AND present.name = used.name
    WHERE used.kind = 'input' AND file.day = ANY(%(compared)s::date[])
      AND coalesce(present.version, '') <> used.version
    UNION ALL
    SELECT file.level, file.path, CASE WHEN parent.path IS NULL THEN 'missing' ELSE 'parent' END,
           'parent ' || used.name || CASE WHEN parent.path IS NULL THEN ' is gone'
               WHEN parent.digest <> used.version THEN ' has other content'
               ELSE ' was followed by version ' || parent.highest END
    FROM file JOIN product_file_input AS used USING (productfileid)
    LEFT JOIN kept AS parent ON parent.name = used.name
    WHERE used.kind = 'parent' AND used.version <> ''
      AND (parent.digest IS DISTINCT FROM used.version OR parent.version < parent.highest)
"""  # noqa: S608 (constants of this package)
_MADE_FROM: Final = """
    SELECT file.level, file.path, parent.level, parent.path, 'parent ' || used.name
    FROM product_file_input AS used
    JOIN file ON file.productfileid = used.productfileid
    JOIN file AS parent ON parent.name = used.name
    WHERE used.kind = 'parent'
"""
_SHOWN: Final = """
    SELECT path, name, level, family, day, cause, reason, depth
    FROM listed JOIN file ON file.path = listed.key
    WHERE %(wanted)s::text[] IS NULL OR level = ANY(%(wanted)s)
    ORDER BY depth, path
"""
_STALE: Final = "WITH RECURSIVE " + _GIVEN + stale_query(_FIRST, _MADE_FROM, _SHOWN)
