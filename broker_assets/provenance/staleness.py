"""What must be rebuilt: what changed, and exactly what descends from it.

One rule for everything that has versions. A module that keeps versions (`versions` for assets, `product_files` for
files) provides a query for what is itself out of date, and another for what was made from what; this module derives
everything that descends from it, with the reason, and an order in which each is rebuilt once.
"""

from __future__ import annotations

from typing import LiteralString

from pydantic import BaseModel, ConfigDict

MOST_STEPS = 100
"""Steps that are followed, at most: a cycle, which should not exist, would otherwise never end."""


SHOWN_CHARACTERS = 12
"""Longest version that is shown in full; of a longer one, which is a digest, the first seven characters are shown."""


def code_change(old: LiteralString, new: LiteralString) -> LiteralString:
    """Compose the SQL text of the parts of a code version that differ, such as `decoder 1 → 2`.

    Parameters
    ----------
    old, new : str
        SQL expressions of code versions: parts separated by commas, each a name and a version. A version without a
        name is that of the `code`.
    """
    parts = r"""SELECT CASE WHEN part LIKE '%% %%' THEN regexp_replace(part, ' \S+$', '') ELSE 'code' END AS name,
        substring(part FROM '\S+$') AS version FROM unnest(string_to_array({}, ', ')) AS given (part)"""
    one, other = parts.replace("{}", old), parts.replace("{}", new)
    return f"""(
    SELECT string_agg(name || ' ' || coalesce(before.version, 'none') || ' → ' || coalesce(after.version, 'none'), ', '
                      ORDER BY name)
    FROM ({one}) AS before FULL JOIN ({other}) AS after USING (name)
    WHERE before.version IS DISTINCT FROM after.version)"""  # noqa: S608 (constants of this package)


def version_change(old: LiteralString, new: LiteralString) -> LiteralString:
    """Compose the SQL text of two versions, such as `V01 → V02` or, of digests, `1f3e5a7 → 9bd1f3e`."""

    def shown(version: LiteralString) -> LiteralString:
        return (
            f"CASE WHEN coalesce({version}, '') = '' THEN 'none' WHEN length({version}) <= {SHOWN_CHARACTERS}"
            f" THEN {version} ELSE left({version}, 7) END"
        )

    return f"({shown(old)} || ' → ' || {shown(new)})"


class Staleness(BaseModel):
    """Why something must be rebuilt, and when in the order."""

    model_config = ConfigDict(frozen=True)

    reason: str
    """Description of the cause."""
    depth: int
    """Steps from the first cause: rebuilding in this order rebuilds each once."""


def stale_query(first: LiteralString, made_from: LiteralString, shown: LiteralString) -> LiteralString:
    """Compose the query that lists what is stale.

    Parameters
    ----------
    first : str
        SELECT of what is out of date by itself: kind, key, cause and reason. Something may have several causes.
    made_from : str
        SELECT of what was made from what: kind and key, those of the parent, and a description of the parent.
    shown : str
        End of the query, which reads the table `listed`: kind, key, cause, reason and depth. The cause is `upstream` if
        only a parent is stale.

    Returns
    -------
    str
        The query, without the WITH RECURSIVE before it, so that the caller can put its own tables first.
    """
    return f"""
first (kind, key, cause, reason) AS ({first}),
made_from (kind, key, parent_kind, parent_key, parent) AS NOT MATERIALIZED ({made_from}),
reached AS (
    SELECT kind, key, 0 AS depth FROM first
    UNION
    SELECT made_from.kind, made_from.key, reached.depth + 1
    FROM reached JOIN made_from ON made_from.parent_kind = reached.kind AND made_from.parent_key = reached.key
    WHERE reached.depth < {MOST_STEPS}
),
-- The depth is that of the longest path, so that each is rebuilt after everything it descends from.
deepest AS (SELECT kind, key, max(depth) AS depth FROM reached GROUP BY kind, key),
own AS (SELECT DISTINCT ON (kind, key) * FROM first ORDER BY kind, key, cause, reason),
inherited AS (
    SELECT DISTINCT ON (made_from.kind, made_from.key) made_from.kind, made_from.key,
           made_from.parent || ' is stale' AS reason
    FROM made_from JOIN deepest ON deepest.kind = made_from.parent_kind AND deepest.key = made_from.parent_key
    ORDER BY made_from.kind, made_from.key, made_from.parent_kind, made_from.parent_key
),
listed AS (
    SELECT kind, key, coalesce(own.cause, 'upstream') AS cause, coalesce(own.reason, inherited.reason) AS reason, depth
    FROM deepest LEFT JOIN own USING (kind, key) LEFT JOIN inherited USING (kind, key)
)
{shown}
"""  # noqa: S608 (constants of this package)
