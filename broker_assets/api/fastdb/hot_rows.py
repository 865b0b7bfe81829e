"""Hot transients in the older layouts: a row for each root object, or a list for each column."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from broker_assets.api.tom.answers import json_of
from broker_assets.tom.versions.curves import RootCurves
from broker_assets.tom.versions.hosts import COLUMNS

_SERIES: Final = ("mjd", "visit", "band", "flux", "fluxerr", "isdet", "ispatch")
_CONSTANTS: Final = {"zp": 31.4, "redshift": -99.0, "sncode": -99}
_PLACE: Final = ("diaobjectid", "ra", "dec")


def plain(values: Any) -> Any:
    """Values as JSON can represent them: an array of numbers, or a list with nulls."""
    if isinstance(values, np.ma.MaskedArray):
        if values.dtype.kind == "f":
            return np.ascontiguousarray(values.filled(np.nan))
        return values.tolist()
    return values.tolist() if values.dtype.kind == "O" else np.ascontiguousarray(values)


def host_columns(hosts: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Hosts as one list for each column, with null where a catalogue has no value.

    Examples
    --------
    >>> found = host_columns([{"diaobjectid": 1, "hostgal_z": 0.1}, {"diaobjectid": 2}])
    >>> found["diaobjectid"], found["hostgal_z"]
    ([1, 2], [0.1, None])
    """
    names = dict.fromkeys([*COLUMNS, *itertools.chain.from_iterable(hosts)])
    return {name: [one.get(name) for one in hosts] for name in names}


def written(
    parts: Iterable[tuple[RootCurves, dict[str, list[Any]], list[dict[str, Any]]]], *, columns: bool
) -> Iterator[bytes]:
    """Light curves as JSON: a list of rows, sent while they are read, or one list for each column.

    Parameters
    ----------
    parts : iterable
        Light curves, the columns of their objects (`versions.objects.COLUMNS`), and their hosts.
    columns : bool
        Whether to write one list for each column.
    """
    found = itertools.chain.from_iterable(_rows(*part) for part in parts)
    if columns:
        every = list(found)
        names = dict.fromkeys(itertools.chain.from_iterable(every)) if every else _names()
        yield b"{"
        for place, name in enumerate(names):
            yield (b"," if place else b"") + json_of(name) + b":" + json_of([row.get(name) for row in every])
        yield b"}"
        return
    before = b"["
    for row in found:
        yield before + json_of(row)
        before = b","
    yield (before if before == b"[" else b"") + b"]"


def _names() -> list[str]:
    return ["rootid", *_PLACE, *_CONSTANTS, *_SERIES]


def _rows(curves: RootCurves, info: dict[str, list[Any]], hosts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for each root object: position and host are those of its object with the smallest number."""
    first: dict[Any, int] = {}
    for row, root in enumerate(info["rootid"]):
        first.setdefault(root, row)
    of_object = {host["diaobjectid"]: host for host in hosts}
    series = {name: plain(curves.columns[name]) for name in _SERIES if name in curves.columns}
    for root, (begin, end) in zip(curves.identifiers, itertools.pairwise(curves.begins.tolist()), strict=True):
        at = first.get(root)
        place = {name: None if at is None or name not in info else info[name][at] for name in _PLACE}
        host = {name: value for name, value in of_object.get(place["diaobjectid"], {}).items() if name != "diaobjectid"}
        points: dict[str, Any] = {name: values[begin:end] for name, values in series.items()}
        yield {"rootid": str(root), **place, **_CONSTANTS, **points, **host}
