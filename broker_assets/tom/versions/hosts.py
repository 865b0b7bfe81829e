"""Possible host galaxies of objects, by version: loading them with a reduction, and the likeliest of each object."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa

from broker_assets.tom.versions.definitions import HOSTS, Version, VersionError

Connection = psycopg.Connection[Any]

_NEEDED: Final = ("diaobjectid", "host_catalog", "host_id", "ra", "dec")
COLUMNS: Final = ("diaobjectid", "host_catalog", "host_id", "host_base_procver", "host_ra", "host_dec")
"""Columns about a host that precede those of its catalogue."""


def checked_hosts(table: pa.Table) -> pa.Table:
    """Hosts under names in lower case.

    Raises
    ------
    VersionError
        If a column, or a value in it, is missing.
    """
    renamed = table.rename_columns([name.lower() for name in table.column_names])
    missing = sorted(set(_NEEDED) - set(renamed.column_names))
    if missing:
        raise VersionError(f"hosts: column {missing[0]} is missing")
    for name in _NEEDED:
        column = renamed[name]
        if column.null_count or (name in ("ra", "dec") and not np.isfinite(column.to_numpy()).all()):
            raise VersionError(f"hosts: {name} has values that are missing or not finite")
    if not pa.types.is_integer(renamed["diaobjectid"].type):
        raise VersionError("hosts: diaobjectid must be whole numbers")
    return renamed


def add_hosts(connection: Connection, table: pa.Table, base: uuid.UUID) -> tuple[int, int]:
    """Store galaxies, and the objects whose hosts they may be; existing rows stay as they are.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    table : pyarrow.Table
        From `checked_hosts`: `diaobjectid`, `host_catalog` and `host_id` (which galaxy of which catalogue), `ra` and
        `dec` (deg, ICRS), optionally `prio` (the likeliest first, from 0; default: the order of the rows of an object).
        Further columns are kept in `info`.
    base : uuid.UUID
        Base version of the hosts.

    Returns
    -------
    hosts, matches : int
        Galaxies and matches that are new.
    """
    rows = table.to_pylist()
    seen: dict[int, int] = {}
    values = []
    for row in rows:
        number = row.pop("diaobjectid")
        rank = row.pop("prio", None)
        rank = seen.get(number, 0) if rank is None else rank
        seen[number] = max(seen.get(number, 0), rank + 1)
        place = [str(row.pop("host_catalog")), str(row.pop("host_id")), row.pop("ra"), row.pop("dec")]
        known = {name: None if isinstance(one, float) and not math.isfinite(one) else one for name, one in row.items()}
        values.append((number, rank, *place, json.dumps(known, default=str)))
    columns = [list(column) for column in zip(*values, strict=True)]
    connection.execute("DROP TABLE IF EXISTS pg_temp.given_hosts")
    connection.execute(
        "CREATE TEMPORARY TABLE given_hosts ON COMMIT DROP AS SELECT * FROM unnest(%s::bigint[], %s::smallint[],"
        " %s::text[], %s::text[], %s::float8[], %s::float8[], %s::text[])"
        " AS given (diaobjectid, prio, host_catalog, host_id, ra, dec, info)",
        columns,
    )
    hosts = connection.execute(
        "INSERT INTO host_galaxy (host_catalog, host_id, base_procver_id, ra, dec, info) SELECT DISTINCT ON"
        " (host_catalog, host_id) host_catalog, host_id, %s::uuid, ra, dec, info::jsonb FROM given_hosts"
        " ORDER BY host_catalog, host_id, prio ON CONFLICT ON CONSTRAINT host_galaxy_specifier DO NOTHING",
        (base,),
    ).rowcount
    matches = connection.execute(
        "INSERT INTO diaobject_host_match (diaobjectid, host_galaxy_id, base_procver_id, prio) SELECT DISTINCT ON"
        " (given.diaobjectid, galaxy.id) given.diaobjectid, galaxy.id, galaxy.base_procver_id, given.prio"
        " FROM given_hosts AS given JOIN host_galaxy AS galaxy USING (host_catalog, host_id)"
        " WHERE galaxy.base_procver_id = %s ORDER BY given.diaobjectid, galaxy.id, given.prio ON CONFLICT DO NOTHING",
        (base,),
    ).rowcount
    return hosts, matches


def likeliest_hosts(connection: Connection, version: Version, objects: Sequence[int]) -> list[dict[str, Any]]:
    """The first host of each object in a version; objects without one are left out.

    Returns
    -------
    list of dict
        By object: `COLUMNS`, and the columns of the catalogue, prefixed with `hostgal_`.
    """
    rows = connection.execute(
        "SELECT DISTINCT ON (match.diaobjectid) match.diaobjectid, galaxy.host_catalog, galaxy.host_id,"
        " base.description, galaxy.ra, galaxy.dec, galaxy.info FROM diaobject_host_match AS match JOIN host_galaxy"
        " AS galaxy ON galaxy.id = match.host_galaxy_id JOIN base_procver_of_procver AS part ON part.base_procver_id"
        " = match.base_procver_id AND part._table = %s AND part.procver_id = %s JOIN base_processing_version AS base"
        " ON base.id = match.base_procver_id WHERE match.diaobjectid = ANY(%s::bigint[])"
        " ORDER BY match.diaobjectid, part.priority DESC, match.prio, galaxy.id",
        (HOSTS, version.identifier, "{" + ",".join(map(str, objects)) + "}"),
    ).fetchall()
    return [
        dict(zip(COLUMNS, row[:-1], strict=True))
        | {f"hostgal_{name}": value for name, value in (row[-1] or {}).items()}
        for row in rows
    ]
