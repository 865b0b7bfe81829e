"""Records of filter runs: how many alerts of a batch each may pass, and how each ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa

from broker_assets.accounting import facts

MATCHES: Final = "filter_matches"
"""Asset of the matches."""


def limited(rows: pa.Table, per_batch: int) -> tuple[pa.Table, dict[tuple[int, Any], int]]:
    """The first alerts for each filter and night, and the number of further ones.

    The first are those with the smallest source numbers, so that the order of packets does not matter.
    """
    if rows.num_rows <= per_batch:
        return rows, {}
    ordered = rows.sort_by([("filterid", "ascending"), ("night", "ascending"), ("diasourceid", "ascending")])
    filterid, night = ordered["filterid"].to_numpy(), ordered["night"].cast(pa.int32()).to_numpy()
    new = np.append(True, (np.diff(filterid) != 0) | (np.diff(night) != 0))
    starts = np.flatnonzero(new)
    rank = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
    lengths = np.diff(np.append(starts, len(ordered)))
    over = {
        (int(filterid[start]), ordered["night"][int(start)].as_py()): int(length - per_batch)
        for start, length in zip(starts, lengths, strict=True)
        if length > per_batch
    }
    return (ordered.filter(pa.array(rank < per_batch)), over) if over else (rows, {})


def store_runs(
    connection: psycopg.Connection[Any],
    ingestid: int,
    runs: pa.Table,
    kept: pa.Table,
    over: Mapping[tuple[int, Any], int],
    nights: Sequence[Any],
) -> None:
    """Add records of filters with matches or problems.

    A problem counts for all nights of the batch.
    """
    ran = {row["filterid"]: row for row in runs.to_pylist()}
    counted = kept.group_by(["filterid", "version", "night"], use_threads=False).aggregate([([], "count_all")])
    lines = {
        (row["filterid"], row["night"]): (
            row["version"],
            row["count_all"],
            over.get((row["filterid"], row["night"]), 0),
        )
        for row in counted.to_pylist()
    }
    for filterid, row in ran.items():
        for night in nights if row["problem"] or row["beyond"] else ():
            version, matches, beyond = lines.get((filterid, night), (row["version"], 0, 0))
            lines[filterid, night] = (version, matches, beyond + (len(row["beyond"]) if night == nights[0] else 0))
    entries = []
    for (filterid, of_night), (version, matches, beyond) in sorted(lines.items()):
        row = ran.get(filterid, {})
        entries.append(
            {
                "ingestid": ingestid, "night": of_night, "filterid": filterid, "version": version,
                "matches": matches, "over_limit": beyond, "seconds": row.get("seconds"),
                "problem": row.get("problem"), "message": row.get("message"),
            }
        )  # fmt: skip
    if not entries:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO filter_runs (ingestid, night, filterid, version, matches, over_limit, seconds, problem,"
            " message) VALUES (%(ingestid)s, %(night)s, %(filterid)s, %(version)s, %(matches)s, %(over_limit)s,"
            " %(seconds)s, %(problem)s, %(message)s) ON CONFLICT (ingestid, night, filterid) DO UPDATE SET"
            " matches = filter_runs.matches + excluded.matches, over_limit = filter_runs.over_limit +"
            " excluded.over_limit, seconds = coalesce(filter_runs.seconds, 0) + excluded.seconds,"
            " problem = coalesce(excluded.problem, filter_runs.problem),"
            " message = coalesce(excluded.message, filter_runs.message)",
            entries,
        )


def describe_night(connection: psycopg.Connection[Any], night: str) -> dict[str, Any]:
    """Metadata for materialisations of a night: how many alerts passed each filter, and which did not run.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    night : str
        Key `YYYY-MM-DD`.
    """
    rows = connection.execute(
        "SELECT runs.filterid, sum(runs.matches), sum(runs.over_limit), count(runs.problem)"
        " FROM filter_runs AS runs JOIN ingest_batch_facts AS booked USING (ingestid, night)"
        " WHERE booked.asset = %s AND booked.replaced_by IS NULL AND night = %s GROUP BY 1 ORDER BY 2 DESC, 1",
        (MATCHES, night),
    ).fetchall()
    if not rows:
        return {}
    return {
        "filters with matches": sum(1 for row in rows if row[1]),
        "most matches": {f"filter {row[0]}": int(row[1]) for row in rows[:20] if row[1]},
        "alerts beyond the limit of a batch": int(sum(row[2] for row in rows)),
        "runs with a problem": int(sum(row[3] for row in rows)),
    }


def prune(connection: psycopg.Connection[Any], *, before: str) -> dict[str, int]:
    """Delete matches of old nights, and the records of how filters ran.

    The record of annotations for which a filter ran is kept, so that it never runs for them again.

    Parameters
    ----------
    connection : psycopg.Connection
        In the caller's transaction.
    before : str
        First night that is kept, `YYYY-MM-DD`.

    Returns
    -------
    dict of str to int
        Rows deleted, by table.
    """
    return {
        MATCHES: facts.prune(connection, MATCHES, before=before),
        "filter_runs": connection.execute("DELETE FROM filter_runs WHERE night < %s::date", (before,)).rowcount,
    }
