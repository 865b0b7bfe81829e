"""What was made from what, and what must be rebuilt.

An artefact is an asset, or one partition of it. It is stale if it was made by code other than the deployed one, if the
data version of an input has changed, if an input no longer exists, if facts of some of its objects are stale
(`stale_facts`), or if an input is itself stale (`staleness`). These tables are authoritative; Dagster shows and runs
what is derived from them.

All functions work in the caller's transaction.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict

from broker_assets.provenance.staleness import Staleness, code_change, stale_query, version_change


class Input(BaseModel):
    """An input of an artefact."""

    model_config = ConfigDict(frozen=True)

    asset: str
    """Asset key of the input, parts joined by `/`."""
    partition: str = ""
    """Partition key of the input; empty if it has none."""
    data_version: str
    """Data version of the input that was used."""


class Artefact(BaseModel):
    """A version of an artefact."""

    model_config = ConfigDict(frozen=True)

    asset: str
    """Asset key, parts joined by `/`."""
    partition: str = ""
    """Partition key; empty if the asset has none."""
    data_version: str
    """Hash of the content, or of the inputs that determine it."""
    code_version: str = ""
    """Version of the code that made it; empty for external assets."""
    run_id: str | None = None
    """Dagster run that made it."""
    ingestid: int | None = None
    """Batch that made it, if any."""
    inputs: tuple[Input, ...] = ()
    """Its inputs."""


class ArtefactEntry(Artefact):
    """A version of an artefact as stored in the database."""

    made_at: datetime.datetime
    """When it was made."""
    computed_from: dict[str, str] = {}
    """For facts: versions of everything that their batches used, by name; joined if batches differ. What only affects
    some objects, such as catalogues, is not among the inputs."""


class Stale(Staleness):
    """An artefact that must be rebuilt, and why."""

    asset: str
    """Asset key."""
    partition: str
    """Partition key; empty if the asset has none."""
    cause: Literal["code", "input", "missing", "objects", "upstream"]
    """code: made by another code version; input: an input has another data version; missing: an input no longer
    exists; objects: the facts of some objects are stale; upstream: an input is stale."""


def record(connection: psycopg.Connection[Any], artefacts: Sequence[Artefact]) -> int:
    """Record new versions of artefacts, in one statement for all.

    An artefact whose version, code and inputs have not changed is left untouched, so that rebuilding it without any
    change makes nothing stale and adds no history.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    artefacts : sequence of Artefact
        New versions; an artefact may appear once.

    Returns
    -------
    int
        Number of artefacts whose data or code version has changed.

    Raises
    ------
    ValueError
        If an artefact appears twice, or has the same input twice.
    """
    # By key, so that two writers never deadlock.
    ordered = sorted(artefacts, key=lambda item: (item.asset, item.partition))
    keys = [(item.asset, item.partition) for item in ordered]
    if len(set(keys)) != len(keys):
        raise ValueError(f"an artefact appears twice: {next(key for key in keys if keys.count(key) > 1)}")
    inputs = [(item.asset, item.partition, use) for item in ordered for use in item.inputs]
    used = [(asset, partition, use.asset, use.partition) for asset, partition, use in inputs]
    if len(set(used)) != len(used):
        raise ValueError(f"an artefact has an input twice: {next(key for key in used if used.count(key) > 1)}")
    changed = connection.execute(
        "WITH given AS (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])"
        '  AS given (asset, "partition", data_version, code_version, run_id, ingestid)),'
        ' written AS (INSERT INTO artefact (asset, "partition", data_version, code_version, run_id, ingestid, made_at)'
        ' SELECT asset, "partition", data_version, code_version, run_id, ingestid, clock_timestamp() FROM given'
        '  ON CONFLICT (asset, "partition") DO UPDATE SET data_version = excluded.data_version,'
        "  code_version = excluded.code_version, run_id = excluded.run_id, ingestid = excluded.ingestid,"
        "  made_at = excluded.made_at"
        "  WHERE (artefact.data_version, artefact.code_version) <> (excluded.data_version, excluded.code_version)"
        '  RETURNING asset, "partition", made_at, data_version, code_version, run_id)'
        ' INSERT INTO artefact_history (asset, "partition", made_at, data_version, code_version, run_id)'
        " SELECT * FROM written",
        (
            [item.asset for item in ordered],
            [item.partition for item in ordered],
            [item.data_version for item in ordered],
            [item.code_version for item in ordered],
            [item.run_id for item in ordered],
            [item.ingestid for item in ordered],
        ),
    ).rowcount
    connection.execute(
        'DELETE FROM artefact_input WHERE (asset, "partition") IN (SELECT * FROM unnest(%s::text[], %s::text[]))'
        ' AND (asset, "partition", input_asset, input_partition, input_data_version) NOT IN'
        "  (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]))",
        (
            [asset for asset, _ in keys],
            [partition for _, partition in keys],
            *_columns(inputs),
        ),
    )
    connection.execute(
        'INSERT INTO artefact_input (asset, "partition", input_asset, input_partition, input_data_version)'
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING",
        _columns(inputs),
    )
    return changed


def _columns(inputs: Sequence[tuple[str, str, Input]]) -> tuple[list[str], ...]:
    return (
        [asset for asset, _, _ in inputs],
        [partition for _, partition, _ in inputs],
        [use.asset for _, _, use in inputs],
        [use.partition for _, _, use in inputs],
        [use.data_version for _, _, use in inputs],
    )


def forget(connection: psycopg.Connection[Any], asset: str, partition: str = "") -> bool:
    """Record that an artefact no longer exists; what was made from it becomes stale."""
    deleted = connection.execute('DELETE FROM artefact WHERE asset = %s AND "partition" = %s', (asset, partition))
    return deleted.rowcount == 1


def deploy(connection: psycopg.Connection[Any], code_versions: Mapping[str, str]) -> list[str]:
    """Record the deployed code versions; return the assets whose version changed.

    Assets that are not given keep their version. Without a change nothing is written or locked.
    """
    rows = connection.execute(
        "INSERT INTO code (asset, code_version) SELECT given.* FROM unnest(%s::text[], %s::text[])"
        "  AS given (asset, code_version) LEFT JOIN code USING (asset)"
        "  WHERE code.code_version IS DISTINCT FROM given.code_version ORDER BY asset"
        " ON CONFLICT (asset) DO UPDATE SET code_version = excluded.code_version, deployed_at = now()"
        " WHERE code.code_version <> excluded.code_version RETURNING asset",
        (sorted(code_versions), [code_versions[asset] for asset in sorted(code_versions)]),
    )
    return sorted(row[0] for row in rows)


def not_deployed(connection: psycopg.Connection[Any], code_versions: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Compare code versions with the deployed ones.

    Returns
    -------
    dict
        By asset, for those that differ: the given and the deployed code version, which is empty if there is none. Empty
        if nothing was deployed yet.
    """
    deployed = dict(connection.execute("SELECT asset, code_version FROM code").fetchall())
    return {
        asset: (version, deployed.get(asset, ""))
        for asset, version in sorted(code_versions.items())
        if deployed and version != deployed.get(asset)
    }


def current(connection: psycopg.Connection[Any], asset: str, partition: str = "") -> ArtefactEntry | None:
    """Return the current version of an artefact with its inputs; None if it was never made."""
    row = connection.execute(
        "SELECT data_version, code_version, run_id, ingestid, made_at FROM artefact"
        ' WHERE asset = %s AND "partition" = %s',
        (asset, partition),
    ).fetchone()
    if row is None:
        return None
    uses = connection.execute(
        "SELECT input_asset, input_partition, input_data_version FROM artefact_input"
        ' WHERE asset = %s AND "partition" = %s ORDER BY input_asset, input_partition',
        (asset, partition),
    )
    names = ("data_version", "code_version", "run_id", "ingestid", "made_at")
    inputs = tuple(Input(asset=use[0], partition=use[1], data_version=use[2]) for use in uses)
    return ArtefactEntry(asset=asset, partition=partition, inputs=inputs, **dict(zip(names, row, strict=True)))


def is_new(artefact: Artefact, known: Artefact | None) -> bool:
    """Whether a version differs from the recorded one, or is the first; inputs are not compared.

    Examples
    --------
    >>> known = Artefact(asset="a", data_version="1", code_version="x")
    >>> is_new(known.model_copy(update={"run_id": "another run"}), known)
    False
    >>> is_new(known.model_copy(update={"code_version": "y"}), known)
    True
    """
    return known is None or (artefact.data_version, artefact.code_version) != (known.data_version, known.code_version)


def recorded(connection: psycopg.Connection[Any], keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Artefact]:
    """Return the current versions of some artefacts with their inputs, in two queries.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    keys : iterable of (str, str)
        Asset and partition of each.

    Returns
    -------
    dict
        By asset and partition; those that were never made are absent. The inputs are sorted by asset and partition.
    """
    wanted = sorted(set(keys))
    columns = [asset for asset, _ in wanted], [partition for _, partition in wanted]
    uses: dict[tuple[str, str], list[Input]] = {}
    for asset, partition, *used in connection.execute(
        'SELECT asset, "partition", input_asset, input_partition, input_data_version FROM artefact_input'
        ' JOIN unnest(%s::text[], %s::text[]) AS wanted (asset, "partition") USING (asset, "partition")'
        ' ORDER BY asset, "partition", input_asset, input_partition',
        columns,
    ):
        uses.setdefault((asset, partition), []).append(Input(asset=used[0], partition=used[1], data_version=used[2]))
    found = connection.execute(
        'SELECT asset, "partition", data_version, code_version, run_id, ingestid FROM artefact'
        ' JOIN unnest(%s::text[], %s::text[]) AS wanted (asset, "partition") USING (asset, "partition")',
        columns,
    )
    names = ("asset", "partition", "data_version", "code_version", "run_id", "ingestid")
    made = [dict(zip(names, row, strict=True)) for row in found]
    return {
        (item["asset"], item["partition"]): Artefact(
            **item, inputs=tuple(uses.get((item["asset"], item["partition"]), ()))
        )
        for item in made
    }


def data_versions(
    connection: psycopg.Connection[Any], asset: str, partitions: Sequence[str] | None = None
) -> dict[str, str]:
    """Return the current data versions of an asset, by partition key."""
    rows = connection.execute(
        'SELECT "partition", data_version FROM artefact WHERE asset = %(asset)s'
        ' AND (%(partitions)s::text[] IS NULL OR "partition" = ANY(%(partitions)s)) ORDER BY "partition"',
        {"asset": asset, "partitions": list(partitions) if partitions is not None else None},
    )
    return dict(rows.fetchall())


def stale(connection: psycopg.Connection[Any], *, asset: str | None = None) -> list[Stale]:
    """List what must be rebuilt: what changed and exactly what descends from it.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    asset : str, optional
        Only artefacts of this asset.

    Returns
    -------
    list of Stale
        Ordered by depth: each entry comes after those it descends from.
    """
    with connection.cursor(row_factory=class_row(Stale)) as cursor:
        cursor.execute(_STALE, {"asset": asset})
        return cursor.fetchall()


_CODE: Final = code_change("artefact.code_version", "code.code_version")
_INPUT: Final = version_change("used.input_data_version", "now.data_version")
_FIRST: Final = f"""
    SELECT artefact.asset, artefact."partition", 'code', {_CODE}
    FROM artefact JOIN code USING (asset)
    WHERE artefact.code_version NOT IN ('', code.code_version)
    UNION ALL
    SELECT used.asset, used."partition",
           CASE WHEN now.asset IS NULL THEN 'missing' ELSE 'input' END,
           'input ' || used.input_asset
               || CASE used.input_partition WHEN '' THEN '' ELSE ' of ' || used.input_partition END
               || CASE WHEN now.asset IS NULL THEN ' is gone'
                  ELSE ' ' || {_INPUT} END
    FROM artefact_input AS used
    LEFT JOIN artefact AS now ON now.asset = used.input_asset AND now."partition" = used.input_partition
    WHERE now.data_version IS DISTINCT FROM used.input_data_version
    UNION ALL
    SELECT asset, night::text, 'objects', min(reason) FROM stale_facts GROUP BY asset, night
"""  # noqa: S608 (constants of this package)
_MADE_FROM: Final = """
    SELECT asset, "partition", input_asset, input_partition,
           'input ' || input_asset || CASE input_partition WHEN '' THEN '' ELSE ' of ' || input_partition END
    FROM artefact_input
"""
_SHOWN: Final = """
    SELECT kind AS asset, key AS "partition", cause, reason, depth FROM listed
    WHERE %(asset)s::text IS NULL OR kind = %(asset)s
    ORDER BY depth, asset, "partition"
"""
_STALE: Final = "WITH RECURSIVE " + stale_query(_FIRST, _MADE_FROM, _SHOWN)
