"""Alerts of the simulated survey: as Avro datums, as the campaigns sent them, and as documents.

The datums have no header: a consumer knows the schema (`schemas.alert_schema`) by the topic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.tom.survey.encoding import Encoded, encode, varint
from broker_assets.tom.survey.fields import VERSIONS, Field
from broker_assets.tom.survey.reconstruction import DAYS, Histories, LightCurves, histories
from broker_assets.tom.survey.schemas import schema_version

_SOME: Final = b"\x02"
_NONE: Final = b"\x00"
_EMPTY_LIST: Final = b"\x00"


class AlertWriter:
    """Writes alerts of some objects; their rows are encoded once.

    Parameters
    ----------
    curves : LightCurves
        Points of the objects.
    version : str
        Version of the schema, see `schemas.schema_version`.

    Raises
    ------
    UnknownSchema
        If there is no such version.
    """

    def __init__(self, curves: LightCurves, version: str = "0.9.1") -> None:
        self._curves = curves
        self._fields = VERSIONS[schema_version(version)]
        self._sources = encode(self._fields.source, curves.sources)
        self._forced = encode(self._fields.forced, curves.forced)
        self._objects = encode(self._fields.object, curves.objects)
        # In the first campaign, an empty list of limits, and then the two cutouts, which are always null.
        self._before_object = _SOME + _EMPTY_LIST if self._fields.first else b""
        self._end = _NONE + _NONE if self._fields.first else b""

    def write(
        self,
        alert_ids: NDArray[np.int64],
        source_ids: NDArray[np.int64],
        *,
        days: float = DAYS,
        most_forced: int | None = None,
    ) -> list[bytes]:
        """The datums of some alerts, in the given order.

        Parameters
        ----------
        alert_ids, source_ids : (n,) int64 array
            Number of each alert, and its detection.
        days : float
            Length of the history, days.
        most_forced : int, optional
            Most forced points; the latest are kept.

        Raises
        ------
        LookupError
            If there is no such detection, or its object is missing.
        """
        found = histories(self._curves, source_ids, days=days, most_forced=most_forced)
        sources, forced, objects = self._sources, self._forced, self._objects
        counts = {number: varint(number) for number in range(int(_longest(found)) + 1)}
        alert = b"".join
        written: list[bytes] = []
        spans = zip(
            np.asarray(alert_ids).tolist(),
            *(
                _span(encoded, first, end)
                for encoded, first, end in (
                    (sources, found.source, found.source + 1),
                    (sources, found.first_source, found.end_source),
                    (forced, found.first_forced, found.end_forced),
                    (objects, found.object, found.object + 1),
                )
            ),
            (found.end_source - found.first_source).tolist(),
            (found.end_forced - found.first_forced).tolist(),
            strict=True,
        )
        for alert_id, source, before, points, thing, detections, points_count in spans:
            written.append(
                alert(
                    (
                        varint(alert_id),
                        sources.data[slice(*source)],
                        _list(counts[detections], sources.data[slice(*before)]),
                        _list(counts[points_count], forced.data[slice(*points)]),
                        self._before_object,
                        _SOME,
                        objects.data[slice(*thing)],
                        self._end,
                    )
                )
            )
        return written


def _longest(found: Histories) -> int:
    return max(
        int((found.end_source - found.first_source).max(initial=0)),
        int((found.end_forced - found.first_forced).max(initial=0)),
    )


def _span(encoded: Encoded, first: NDArray[np.int64], end: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    return zip(encoded.offsets[first].tolist(), encoded.offsets[end].tolist(), strict=True)


def _list(count: bytes, items: bytes) -> bytes:
    return _SOME + count + items + _EMPTY_LIST if items else _SOME + _EMPTY_LIST


def documents(
    curves: LightCurves,
    alert_ids: NDArray[np.int64],
    source_ids: NDArray[np.int64],
    *,
    days: float = DAYS,
    most_forced: int | None = None,
) -> list[dict[str, Any]]:
    """Some alerts as documents with the names of the schema 0.9.1; lists are never null.

    Parameters
    ----------
    curves, alert_ids, source_ids, days, most_forced
        See `AlertWriter.write`.

    Raises
    ------
    LookupError
        If there is no such detection, or its object is missing.
    """
    found = histories(curves, source_ids, days=days, most_forced=most_forced)
    fields = VERSIONS["0.9.1"]
    alerts: list[dict[str, Any]] = []
    for number, alert_id in enumerate(np.asarray(alert_ids).tolist()):
        first, end = int(found.first_source[number]), int(found.end_source[number])
        begin, stop = int(found.first_forced[number]), int(found.end_forced[number])
        alerts.append(
            {
                "alertId": alert_id,
                "diaSource": _records(curves.sources, fields.source, int(found.source[number]), 1)[0],
                "prvDiaSources": _records(curves.sources, fields.source, first, end - first),
                "prvDiaForcedSources": _records(curves.forced, fields.forced, begin, stop - begin),
                "diaObject": _records(curves.objects, fields.object, int(found.object[number]), 1)[0],
            }
        )
    return alerts


def _records(table: Any, fields: tuple[Field, ...], start: int, count: int) -> list[dict[str, Any]]:
    chosen = table.slice(start, count)
    columns = {field.name: chosen.column(field.column).to_pylist() for field in fields if field.column}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
