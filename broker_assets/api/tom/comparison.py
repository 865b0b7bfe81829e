"""Pages that compare brokers: scorecards of classifiers, and objects about which sources contradict each other."""

from __future__ import annotations

import csv
import datetime
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from fastapi import HTTPException, Request
from fastapi.responses import Response
from numpy.typing import NDArray

from broker_assets.access import permissions
from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import Connections
from broker_assets.api.site.frame import page
from broker_assets.api.site.night_bars import night_chart
from broker_assets.api.tom.entrance import admitted
from broker_assets.api.tom.summary_charts import SummaryChart
from broker_assets.tom.contradictions.opinions import COUNTED, SOURCES, Opinion, count_only, only_kept
from broker_assets.tom.metrics.confusion import Confusion
from broker_assets.tom.metrics.scorecards import ClassScore, Scorecard, scorecards
from broker_assets.tom.taxonomy.hierarchy import LEVELS
from broker_assets.tom.taxonomy.stored import in_force

SIDE: Final = 240
"""Width and height of a chart, pixels."""
_CELL: Final = 34
_MOST: Final = 500
"""Most contradictions on a page."""
_PAGE: Final = 100
"""Most objects on a page."""
_MOST_BARS: Final = 360
"""Most bars in a chart."""
DELAY_WORDS: Final = {
    "full": "from sending to storing",
    "broker": "from sending to the message",
    "tom": "from the message to storing",
}
"""Meaning of the delays, by their names in the counts."""


@dataclass(frozen=True)
class ClassCharts:
    """Curves for a class as points of SVG lines."""

    name: str
    area: float
    average_precision: float
    error: float
    roc: str
    precision: str
    calibration: list[tuple[float, float]]
    """Positions of the probability ranges that have messages."""


@dataclass(frozen=True)
class Cell:
    """A cell of a confusion matrix."""

    x: int
    y: int
    of_true: float
    """Fraction of the objects of the true class."""
    of_reported: float
    """Fraction of the objects with the reported class."""
    objects: int
    true: str
    reported: str


def cards(request: Request) -> Response:
    """A line for each classifier."""
    truth = _sees_truth(request)
    found, names, counted = _cards(request)
    return page(
        request, "tom/scorecards.html", cards=found, names=names, counted=counted, nan=math.isnan,
        levels=LEVELS if truth else (), truth=truth,
    )  # fmt: skip


def card(request: Request, number: int) -> Response:
    """The scorecard of a classifier; comparisons with the truth only for accounts that may see it."""
    truth = _sees_truth(request)
    found, names, _ = _cards(request)
    one = next((item for item in found if item.classifier.classifier_id == number), None)
    if one is None:
        raise HTTPException(404, f"Classifier {number} has sent no message yet, or does not exist.")
    progress = progress_of(one)
    if not truth:
        return page(request, "tom/scorecard.html", card=one, levels=(), truth=False, progress=progress, nan=math.isnan)
    charts = [charts_of(names.get(item.classid, str(item.classid)), item) for item in one.classes]
    return page(
        request, "tom/scorecard.html", card=one, levels=LEVELS, truth=True, charts=charts, side=SIDE, nan=math.isnan,
        cells=cells_of(one.confusion, names), across=len(one.confusion.reported) * _CELL, size=_CELL, progress=progress,
        down=len(one.confusion.true) * _CELL,
        true_names=[names.get(item, str(item)) for item in one.confusion.true.tolist()],
        reported_names=[names.get(item, str(item)) for item in one.confusion.reported.tolist()],
    )  # fmt: skip


def contradictions(request: Request) -> Response:
    """Objects about which two sources cannot both be right, the newest objects first."""
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
    """Objects about which one kind of source says something and another kind does not: a page, or CSV."""
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
    """Curves in pixels, with y increasing downwards."""
    found, given = one.curves, one.calibration
    some = given.messages > 0
    return ClassCharts(
        name, found.area, found.average_precision, given.error,
        _line(found.false_positive_rate, found.true_positive_rate),
        _line(found.true_positive_rate, found.precision),
        [(round(SIDE * x, 1), round(SIDE * (1.0 - y), 1))
         for x, y in zip(given.probability[some], given.right[some], strict=True)],
    )  # fmt: skip


def progress_of(one: Scorecard) -> list[SummaryChart]:
    """Charts that do not need the truth: answered alerts by day and by number of detections, and delays."""
    made = [
        SummaryChart(title, f"{title}: share of the alerts in percent", bars=night_chart(shares))
        for title, shares in (
            ("Alerts answered, by the day on which they were sent", _percent(one.by_day)[-_MOST_BARS:]),
            ("Alerts answered, by the detections of the object", _percent(one.by_detections)[:_MOST_BARS]),
        )
        if shares
    ]
    for kind, words in DELAY_WORDS.items():
        counts = one.delays[kind].tolist()
        if any(counts):
            first = next(place for place, messages in enumerate(counts) if messages)
            bars = [(_seconds(place), messages, True) for place, messages in enumerate(counts) if place >= first]
            title = f"Delay {words}"
            made.append(SummaryChart(title, f"{title}: messages by seconds, from", bars=night_chart(bars)))
    return made


def _percent(pairs: Mapping[Any, tuple[int, int]]) -> list[tuple[str, int, bool]]:
    return [(str(key), round(100 * answered / sent), True) for key, (answered, sent) in pairs.items() if sent]


def _seconds(place: int) -> str:
    """The lower end of a bin of the delays.

    Examples
    --------
    >>> [_seconds(place) for place in (0, 1, 2, 9)]
    ['0 s', '1 s', '1.8 s', '100 s']
    """
    return f"{0.0 if place == 0 else 10.0 ** ((place - 1) / 4.0):.2g} s".replace("1e+02", "100")


def cells_of(found: Confusion, names: dict[int, str]) -> list[Cell]:
    """Cells with objects, with their fractions of the true and of the reported class."""
    of_true, of_reported = found.by_true_class, found.by_reported_class
    return [
        Cell(
            int(column) * _CELL, int(row) * _CELL, round(float(of_true[row, column]), 3),
            round(float(of_reported[row, column]), 3), int(found.objects[row, column]),
            names.get(int(found.true[row]), ""), names.get(int(found.reported[column]), ""),
        )
        for row, column in zip(*np.nonzero(found.objects), strict=True)
    ]  # fmt: skip


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    known = np.isfinite(x) & np.isfinite(y)
    return " ".join(
        f"{SIDE * one:.1f},{SIDE * (1.0 - other):.1f}" for one, other in zip(x[known], y[known], strict=True)
    )


def _sees_truth(request: Request) -> bool:
    """Whether the account may see comparisons with the truth.

    A broker that used a separate classifier for each object could read the true class of each from its scorecard.
    """
    user = admitted(request, "login")
    with accounts_of(request) as connection:
        return permissions.may(connection, user, permissions.ELASTICC_ADMIN)


def _cards(request: Request) -> tuple[list[Scorecard], dict[int, str], str | None]:
    """Scorecards, names of classes, and the time at which messages were last counted.

    Scorecards go through all alerts and objects of the survey, so they are computed once for each count of the
    messages.
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
