"""Pages that compare brokers: scorecards of classifiers, and objects of which sources contradict each other."""

from __future__ import annotations

import csv
import datetime
import io
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from fastapi import HTTPException, Request
from fastapi.responses import Response
from numpy.typing import NDArray

from broker_assets.api.connections import Connections
from broker_assets.api.site.frame import page
from broker_assets.api.tom.entrance import admitted
from broker_assets.tom.contradictions.opinions import COUNTED, SOURCES, Opinion, count_only, only_kept
from broker_assets.tom.metrics.confusion import Confusion
from broker_assets.tom.metrics.scorecards import ClassScore, Scorecard, scorecards
from broker_assets.tom.taxonomy.hierarchy import LEVELS
from broker_assets.tom.taxonomy.stored import in_force

SIDE: Final = 240
"""Width and height of a chart, pixels."""
_CELL: Final = 34
_MOST: Final = 500
"""Contradictions on a page."""
_PAGE: Final = 100
"""Objects on a page."""


@dataclass(frozen=True)
class ClassCharts:
    """Curves of a class as points of SVG lines."""

    name: str
    area: float
    average_precision: float
    error: float
    roc: str
    precision: str
    calibration: list[tuple[float, float]]
    """Places of the ranges with messages."""


@dataclass(frozen=True)
class Cell:
    """A cell of a confusion matrix."""

    x: int
    y: int
    share: float
    objects: int
    true: str
    reported: str


def cards(request: Request) -> Response:
    """A line for each classifier."""
    admitted(request, "login")
    found, names, counted = _cards(request)
    return page(
        request, "tom/scorecards.html", cards=found, names=names, counted=counted, levels=LEVELS, nan=math.isnan
    )


def card(request: Request, number: int) -> Response:
    """The scorecard of a classifier."""
    admitted(request, "login")
    found, names, _ = _cards(request)
    one = next((item for item in found if item.classifier.classifier_id == number), None)
    if one is None:
        raise HTTPException(404, f"Classifier {number} has sent no message yet, or does not exist.")
    charts = [charts_of(names.get(item.classid, str(item.classid)), item) for item in one.classes]
    return page(
        request, "tom/scorecard.html", card=one, levels=LEVELS, charts=charts, side=SIDE, nan=math.isnan,
        cells=cells_of(one.confusion, names), across=len(one.confusion.reported) * _CELL, size=_CELL,
        down=len(one.confusion.true) * _CELL,
        true_names=[names.get(item, str(item)) for item in one.confusion.true.tolist()],
        reported_names=[names.get(item, str(item)) for item in one.confusion.reported.tolist()],
    )  # fmt: skip


def contradictions(request: Request) -> Response:
    """Objects of which two sources say what cannot both be right, the newest objects first."""
    admitted(request, "login")
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        rows = connection.execute(
            "SELECT diaobjectid, source, said, probability, othersource, othersaid, otherprobability"
            " FROM contradictions ORDER BY diaobjectid DESC, source, othersource LIMIT %s",
            (_MOST,),
        ).fetchall()
        row = connection.execute("SELECT count(DISTINCT diaobjectid) FROM contradictions").fetchone()
    return page(request, "tom/contradictions.html", rows=rows, objects=row[0] if row else 0, most=_MOST)


def only_by(request: Request) -> Response:
    """Objects of which one kind of source says something, and another kind does not: a page, or CSV."""
    admitted(request, "login")
    given = request.query_params
    has, without = given.get("has", "tns"), given.get("without", "broker")
    wrong = ""
    if has not in SOURCES or without not in SOURCES:
        wrong = f"Kinds of sources are {', '.join(SOURCES)}."
        has, without = "tns", "broker"
    elif has == without:
        wrong = "Choose two kinds of sources."
    after = given.get("after", "")
    start = int(after) if after.isascii() and after.isdecimal() and int(after) < 2**63 else 0
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        if given.get("format") == "csv" and not wrong:
            return _csv(only_kept(connection, has, without, limit=COUNTED), f"{has}-without-{without}.csv")
        rows = [] if wrong else only_kept(connection, has, without, after=start, limit=_PAGE + 1)
        count = 0 if wrong else count_only(connection, has, without)
        compared = connection.execute("SELECT made_at FROM artefact WHERE asset = 'contradictions'").fetchone()
    return page(
        request, "tom/only_by.html", 422 if wrong else 200, has=has, without=without, kinds=SOURCES, wrong=wrong,
        rows=rows[:_PAGE], onward=rows[_PAGE - 1].diaobjectid if len(rows) > _PAGE else None, start=start, count=count,
        counted=COUNTED, compared=f"{compared[0].astimezone(datetime.UTC):%Y-%m-%d %H:%M}" if compared else None,
    )  # fmt: skip


def _csv(rows: list[Opinion], name: str) -> Response:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("diaObjectId", "source", "said", "probability", "sources"))
    writer.writerows(
        (row.diaobjectid, row.source, row.said, "" if row.probability is None else row.probability, row.sources)
        for row in rows
    )
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def charts_of(name: str, one: ClassScore) -> ClassCharts:
    """Curves in pixels; y downwards."""
    found, given = one.curves, one.calibration
    some = given.messages > 0
    return ClassCharts(
        name, found.area, found.average_precision, given.error,
        _line(found.false_positive_rate, found.true_positive_rate),
        _line(found.true_positive_rate, found.precision),
        [(round(SIDE * x, 1), round(SIDE * (1.0 - y), 1))
         for x, y in zip(given.probability[some], given.right[some], strict=True)],
    )  # fmt: skip


def cells_of(found: Confusion, names: dict[int, str]) -> list[Cell]:
    """Cells with objects, shaded by the share of the objects of the true class."""
    shares = found.by_true_class
    return [
        Cell(
            int(column) * _CELL, int(row) * _CELL, round(float(shares[row, column]), 3),
            int(found.objects[row, column]), names.get(int(found.true[row]), ""),
            names.get(int(found.reported[column]), ""),
        )
        for row, column in zip(*np.nonzero(found.objects), strict=True)
    ]  # fmt: skip


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    known = np.isfinite(x) & np.isfinite(y)
    return " ".join(
        f"{SIDE * one:.1f},{SIDE * (1.0 - other):.1f}" for one, other in zip(x[known], y[known], strict=True)
    )


def _cards(request: Request) -> tuple[list[Scorecard], dict[int, str], str | None]:
    """Scorecards, names of classes, and when messages were counted last.

    They go through all alerts and objects of the survey, so they are made once for each count of the messages.
    """
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        row = connection.execute("SELECT newest, inputs, counted_at FROM classifier_tally").fetchone()
        _, taxonomy = in_force(connection, "elasticc2")
        known = getattr(request.app.state, "scorecards", None)
        if known is None or known[0] != row:
            known = (row, scorecards(connection, taxonomy))
            request.app.state.scorecards = known
    names = dict(zip(taxonomy.classid.tolist(), taxonomy.description, strict=True))
    counted = f"{row[2].astimezone(datetime.UTC):%Y-%m-%d %H:%M}" if row is not None else None
    return known[1], names, counted
