"""Summary, for operators, of what is stale: by asset and reason.

`versions.stale` lists artefacts; a deployment can make thousands of them stale for one reason. What automation does
about them is recorded in the same database, so that command line, status page and Dagster show the same.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import psycopg
from pydantic import BaseModel, ConfigDict

from broker_assets.provenance.versions import Stale

SHOWN_PARTITIONS = 100
"""Partitions that a group names, at most; all are counted."""
_INPUT: Final = re.compile(r"^(input \S+)(?: of \S+)? (is gone|is stale|\S+ → \S+)$")


class StaleGroup(BaseModel):
    """Artefacts of an asset that are stale for the same reason."""

    model_config = ConfigDict(frozen=True)

    asset: str
    """Asset key."""
    reason: str
    """Why, such as `decoder 1 → 2`."""
    count: int
    """How many."""
    partitions: tuple[str, ...]
    """The first of them, ascending; empty if the asset has no partitions."""


def group_reason(reason: str) -> str:
    """The reason of an artefact without the parts that differ between partitions.

    Examples
    --------
    >>> group_reason("input packet_archive of 2025-10-01 0123456 → fedcba9"), group_reason("decoder 1 → 2")
    ('input packet_archive has changed', 'decoder 1 → 2')
    >>> group_reason("input sources of 2025-10-01 is stale")
    'input sources is stale'
    """
    found = _INPUT.match(reason)
    if found is None:
        return reason
    what, how = found.groups()
    return f"{what} {'has changed' if '→' in how else how}"


def stale_groups(stale: Iterable[Stale]) -> list[StaleGroup]:
    """Summarise artefacts by asset and reason, in the order of the first of each."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in stale:
        groups[item.asset, group_reason(item.reason)].append(item.partition)
    return [
        StaleGroup(
            asset=asset,
            reason=reason,
            count=len(partitions),
            partitions=tuple(sorted(filter(None, partitions))[:SHOWN_PARTITIONS]),
        )
        for (asset, reason), partitions in groups.items()
    ]


def described(groups: Sequence[StaleGroup]) -> str:
    """One sentence about the groups of an asset.

    Examples
    --------
    >>> nights = ("2025-10-01", "2025-10-02")
    >>> described([StaleGroup(asset="sources", reason="decoder 1 → 2", count=2, partitions=nights)])
    '2 partitions are stale: decoder 1 → 2 (2025-10-01, 2025-10-02)'
    >>> described([StaleGroup(asset="cone_index", reason="code 1 → 2", count=1, partitions=())])
    'stale: code 1 → 2'
    """
    parts = []
    for group in groups:
        if group.partitions:
            more = ", …" if group.count > 3 else ""
            parts.append(f"{group.reason} ({', '.join(group.partitions[:3])}{more})")
        else:
            parts.append(group.reason)
    count = sum(group.count for group in groups)
    if not any(group.partitions for group in groups):
        return f"stale: {'; '.join(parts)}"
    return f"{count:,} {'partition is' if count == 1 else 'partitions are'} stale: {'; '.join(parts)}"


def automation_notes(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """What automation does about each asset, as last noted."""
    return dict(connection.execute("SELECT asset, automation FROM code WHERE automation IS NOT NULL").fetchall())


def note_automation(connection: psycopg.Connection[Any], notes: Mapping[str, str]) -> None:
    """Record what automation does about assets, and remove earlier notes about all others."""
    connection.execute(
        "UPDATE code SET automation = noted.automation FROM code AS known LEFT JOIN"
        " unnest(%s::text[], %s::text[]) AS noted (asset, automation) USING (asset)"
        " WHERE code.asset = known.asset AND code.automation IS DISTINCT FROM noted.automation",
        (list(notes), list(notes.values())),
    )
