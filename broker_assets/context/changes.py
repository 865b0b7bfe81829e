"""Differences between two versions of a catalogue or of the rules, and the positions that they can affect.

A changed source or search affects a position if the search finds the source for it: all other positions have
the same matches before and after, and so the same association.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.context.catalogue import SCHEMA, TEXTS, Sources
from broker_assets.context.rules import Rules, Search
from broker_assets.context.store import NEAR_ORDER, SCATTER_ORDER, Catalogue, gathered

CELL_WIDTH: Final = 211_000.0
"""Arcseconds: side of a HEALPix cell of order 0, the square root of its area; at order k it is smaller by 2⁻ᵏ."""
NARROWEST: Final = 0.55
"""Least distance between opposite sides of a cell, in units of that side; cells at the poles are the narrowest."""


def changed_sources(old: Catalogue | None, new: Catalogue | None) -> Iterator[Sources]:
    """The sources that are in only one of two versions of a catalogue, one part of the sky at a time.

    Parameters
    ----------
    old, new : Catalogue, optional
        The versions; None if there is no catalogue.

    Yields
    ------
    Sources
        Those of one part; parts without a difference are left out.
    """
    nothing = Sources.of(SCHEMA.empty_table())
    shift = 2 * (29 - SCATTER_ORDER)
    density = np.zeros(12 * 4**SCATTER_ORDER, np.int64)
    for catalogue in (old, new):
        if catalogue is not None:
            density += catalogue.density()
    for _, begin, end in gathered(density):
        first, last = begin << shift, end << shift
        before = old.within(first, last) if old is not None else nothing
        after = new.within(first, last) if new is not None else nothing
        if before.table().equals(after.table()):
            continue
        found = Sources.of(pa.concat_tables([_without(before, after), _without(after, before)]))
        if len(found):
            yield found


def _without(these: Sources, those: Sources) -> pa.Table:
    """Rows of the first that are not in the second."""
    table = these.table()
    if not len(these) or not len(those):
        return table
    numbered = _filled(table).append_column("row", pa.array(np.arange(len(these))))
    left = numbered.join(_filled(those.table()), SCHEMA.names, join_type="left anti", use_threads=False)
    return table.take(pc.sort_indices(left["row"])) if not len(left) else table.take(left["row"].sort())


def _filled(table: pa.Table) -> pa.Table:
    """The table with values in place of nulls, which would never be equal."""
    columns = [pc.fill_null(table[name], "\0" if name in TEXTS else -1e300) for name in SCHEMA.names]
    return pa.Table.from_arrays(columns, names=SCHEMA.names)


def changed_searches(old: Rules, new: Rules) -> list[Search] | None:
    """The searches that are in only one of two versions of the rules.

    Returns
    -------
    list of Search or None
        Those that were removed or added, and those that were changed, in both forms; None if anything else has changed:
        the order of the others, or which catalogues are named first.
    """
    if old.first_names != new.first_names:
        return None
    common = set(map(_text, old.searches)) & set(map(_text, new.searches))
    kept_old = [_text(search) for search in old.searches if _text(search) in common]
    kept_new = [_text(search) for search in new.searches if _text(search) in common]
    if kept_old != kept_new:
        return None
    return [search for search in (*old.searches, *new.searches) if _text(search) not in common]


def _text(search: Search) -> str:
    return json.dumps(asdict(search), sort_keys=True)


def rules_text(rules: Rules) -> str:
    """Rules as JSON, to be read by `rules_of`."""
    return json.dumps(asdict(rules), sort_keys=True)


def rules_of(text: str) -> Rules:
    """Rules that `rules_text` wrote."""
    content: dict[str, Any] = json.loads(text)
    searches = []
    for entry in content["searches"]:
        values = dict(entry)
        for name in ("kinds", "known", "not_larger"):
            values[name] = tuple(values[name])
        if values["where"] is not None:
            values["where"] = {name: (pair[0], pair[1]) for name, pair in values["where"].items()}
        searches.append(Search(**values))
    return Rules(tuple(searches), tuple(content["first_names"]))


def alone(search: Search) -> Rules:
    """Rules with a single search, to find the positions that it affects."""
    return Rules((replace(search, stop_on_synonym=False),))


def order_for(radius: float) -> int:
    """The deepest order, at most `NEAR_ORDER`, at which a cell and its neighbours contain everything within a radius.

    Parameters
    ----------
    radius : float
        Arcseconds.

    Examples
    --------
    >>> order_for(60.0), order_for(14_000.0)
    (9, 3)
    """
    return int(np.clip(np.floor(np.log2(CELL_WIDTH * NARROWEST / radius)), 0, NEAR_ORDER))
