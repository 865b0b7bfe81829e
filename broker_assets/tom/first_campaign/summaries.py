"""The counts on the pages of the campaigns: each page is a query of the tables with names for its columns.

In the original they are pictures that its commands draw at night; here they are counted on request, from the tables and
the views that `views.refresh` updates, and drawn by `api.tom.summary_charts`.
"""

# ruff: noqa: S608 - every query consists of constants of this module

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg

MOST: Final = 2000
"""Most rows of a page."""


@dataclass(frozen=True)
class Drawing:
    """How the rows of a page are drawn; columns are counted from 0."""

    value: int
    """Column of the height of a bar, or of the shade of a cell."""
    x: int
    """Column with the labels of the bars, or of the columns of cells."""
    of: tuple[int, ...] = ()
    """Columns whose values identify a chart: one chart for each combination."""
    y: int | None = None
    """Column of the rows of cells; None: bars."""
    most: float = 100.0
    """Value of the darkest cell."""
    newest_first: bool = False
    """Whether the rows are in the opposite order of the bars."""


@dataclass(frozen=True)
class Summary:
    """A page."""

    title: str
    headings: tuple[str, ...]
    query: LiteralString
    text: str = ""
    """What it shows."""
    truth: bool = False
    """Whether it shows the truth, which is not for everybody."""
    drawing: Drawing | None = None
    """How it is drawn."""


_CLASSIFIER: Final = 'concat_ws(\' \', "brokerName", "brokerVersion", "classifierName", "classifierParams")'
_SENT: Final = (
    "SELECT (\"{sent}\" AT TIME ZONE 'UTC')::date AS day, count(*) AS alerts, count(*) FILTER (WHERE hour < 6),"
    " count(*) FILTER (WHERE hour BETWEEN 6 AND 11), count(*) FILTER (WHERE hour BETWEEN 12 AND 17),"
    ' count(*) FILTER (WHERE hour >= 18), min("{sent}"), max("{sent}") FROM {table} CROSS JOIN LATERAL'
    ' (SELECT extract(hour FROM "{sent}" AT TIME ZONE \'UTC\') AS hour) AS moment WHERE "{sent}" IS NOT NULL'
    " GROUP BY 1 ORDER BY 1 DESC"
)
_SENT_HEADINGS: Final = ("Day (UTC)", "Alerts", "0–6 h", "6–12 h", "12–18 h", "18–24 h", "First", "Last")
_ANSWERED: Final = (
    'WITH answered AS (SELECT DISTINCT said."classifierId", message."alertId" FROM elasticc_brokerclassification'
    ' AS said JOIN elasticc_brokermessage AS message ON message."brokerMessageId" = said."brokerMessageId"),'
    ' sent AS (SELECT alert."alertId", alert."alertSentTimestamp" AS moment, counts.ndetections FROM'
    ' elasticc_diaalert AS alert LEFT JOIN elasticc_view_prevsourcecounts AS counts ON counts."diaSourceId" ='
    ' alert."diaSourceId" WHERE "alertSentTimestamp" IS NOT NULL) '
)

FIRST: Final[dict[str, Summary]] = {
    "latestconfmatrix": Summary(
        "Confusion of classes, newest message of each object",
        ("Classifier", "True class", "Reported class", "Objects", "Share of the true class (%)"),
        "WITH newest AS (SELECT DISTINCT ON (said.\"classifierId\", source.\"diaObjectId\") said.\"classifierId\","
        " source.\"diaObjectId\", said.\"trueClassId\", said.\"brokerMessageId\""
        " FROM elasticc_view_dedupedclassifications AS said JOIN elasticc_diasource AS source"
        " ON source.\"diaSourceId\" = said.\"diaSourceId\" ORDER BY 1, 2, source.\"midPointTai\" DESC, 4 DESC),"
        " best AS (SELECT DISTINCT ON (newest.\"classifierId\", newest.\"diaObjectId\") newest.\"classifierId\","
        " newest.\"trueClassId\", said.\"classId\" FROM newest JOIN elasticc_view_dedupedclassifications AS said"
        " USING (\"classifierId\", \"brokerMessageId\") ORDER BY newest.\"classifierId\", newest.\"diaObjectId\","
        " said.probability DESC, said.\"classId\")"
        " SELECT " + _CLASSIFIER + ", \"trueClassId\", \"classId\", count(*) AS objects,"
        " round(100 * count(*) / sum(count(*)) OVER (PARTITION BY \"classifierId\", \"trueClassId\"), 1)"
        " FROM best JOIN elasticc_brokerclassifier USING (\"classifierId\")"
        " GROUP BY \"classifierId\", 1, 2, 3 ORDER BY 1, 2, 4 DESC",
        "The class with the greatest probability in the message about the latest detection of each object.", truth=True,
        drawing=Drawing(4, 2, of=(0,), y=1),
    ),
    "probvsclassandt": Summary(
        "Mean probability by class and time",
        ("Classifier", "True class", "Class", "Days from the peak", "Mean probability", "Classifications"),
        "SELECT " + _CLASSIFIER + ", \"trueClassId\", \"classId\", CASE WHEN tbin = 0 THEN 'before -30' WHEN tbin = 27"
        " THEN 'after 100' ELSE (tbin * 5 - 35) || ' to ' || (tbin * 5 - 30) END, round(sum(count *"
        " (least(probbin, 20) - 0.5) / 20) / sum(count), 3), sum(count)"
        " FROM elasticc_view_classifications_probmetrics JOIN elasticc_brokerclassifier USING (\"classifierId\")"
        " GROUP BY \"classifierId\", 1, 2, 3, tbin ORDER BY 1, 2, 3, tbin",
        "Probabilities are those of the middle of their range of 0.05.", truth=True,
        drawing=Drawing(4, 3, of=(0, 1), y=2, most=1.0),
    ),
    "alertstreamhists": Summary(
        "Alerts sent by day", _SENT_HEADINGS, _SENT.format(sent="alertSentTimestamp", table="elasticc_diaalert"),
        drawing=Drawing(1, 0, newest_first=True),
    ),
    "brokerstreamgraphs": Summary(
        "Messages of brokers by day",
        ("Broker", "Day (UTC)", "Messages", "Classifications"),
        "SELECT \"brokerName\", (message.\"descIngestTimestamp\" AT TIME ZONE 'UTC')::date,"
        " count(DISTINCT \"brokerMessageId\"), count(*) FROM elasticc_brokermessage AS message"
        " JOIN elasticc_brokerclassification USING (\"brokerMessageId\") JOIN elasticc_brokerclassifier"
        " USING (\"classifierId\") GROUP BY 1, 2 ORDER BY 1, 2 DESC",
        drawing=Drawing(3, 1, of=(0,), newest_first=True),
    ),
    "brokercompletenessgraphs": Summary(
        "Alerts that were answered, by day",
        ("Classifier", "Day (UTC)", "Alerts sent", "Answered", "Share (%)"),
        _ANSWERED + "SELECT " + _CLASSIFIER + ", (moment AT TIME ZONE 'UTC')::date, count(*),"
        " count(answered.\"alertId\"),"
        " round(100.0 * count(answered.\"alertId\") / count(*), 1) FROM sent"
        " CROSS JOIN elasticc_brokerclassifier AS one"
        " LEFT JOIN answered ON answered.\"alertId\" = sent.\"alertId\" AND answered.\"classifierId\" ="
        " one.\"classifierId\" GROUP BY one.\"classifierId\", 1, 2 ORDER BY 1, 2 DESC",
        drawing=Drawing(4, 1, of=(0,), newest_first=True),
    ),
    "brokercompletenessvsndets": Summary(
        "Alerts that were answered, by detections of the object",
        ("Classifier", "Detections", "Alerts sent", "Answered", "Share (%)"),
        _ANSWERED + "SELECT " + _CLASSIFIER + ", ndetections, count(*), count(answered.\"alertId\"),"
        " round(100.0 * count(answered.\"alertId\") / count(*), 1) FROM sent"
        " CROSS JOIN elasticc_brokerclassifier AS one"
        " LEFT JOIN answered ON answered.\"alertId\" = sent.\"alertId\" AND answered.\"classifierId\" ="
        " one.\"classifierId\" GROUP BY one.\"classifierId\", 1, 2 ORDER BY 1, 2",
        drawing=Drawing(4, 1, of=(0,)),
    ),
    "brokertimedelays": Summary(
        "Time from sending to storing",
        ("Broker", "Median (s)", "90 % (s)", "Largest (s)", "Messages"),
        "SELECT broker, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)::numeric, 1),"
        " round(percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds)::numeric, 1), round(max(seconds)::numeric, 1),"
        " count(*) FROM (SELECT DISTINCT \"brokerMessageId\", \"brokerName\" AS broker, date_part('epoch',"
        " message.\"descIngestTimestamp\" - \"alertSentTimestamp\") AS seconds FROM elasticc_brokermessage AS message"
        " JOIN elasticc_diaalert USING (\"alertId\") JOIN elasticc_brokerclassification USING (\"brokerMessageId\")"
        " JOIN elasticc_brokerclassifier USING (\"classifierId\") WHERE \"alertSentTimestamp\" IS NOT NULL) AS one"
        " GROUP BY 1 ORDER BY 1",
        drawing=Drawing(1, 0),
    ),
    "tmpbrokeralerthists": Summary(
        "Alerts that brokers answered, by day of sending",
        ("Broker", "Day (UTC)", "Alerts"),
        "SELECT \"brokerName\", (\"alertSentTimestamp\" AT TIME ZONE 'UTC')::date, count(DISTINCT \"alertId\")"
        " FROM elasticc_brokermessage JOIN elasticc_diaalert USING (\"alertId\") JOIN elasticc_brokerclassification"
        " USING (\"brokerMessageId\") JOIN elasticc_brokerclassifier USING (\"classifierId\")"
        " WHERE \"alertSentTimestamp\" IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2 DESC",
        drawing=Drawing(2, 1, of=(0,), newest_first=True),
    ),
    "summary": Summary(
        "Classifications by classifier",
        ("Classifier", "Classifications", "Messages"),
        "SELECT " + _CLASSIFIER + ", count(\"classificationId\"), count(DISTINCT \"brokerMessageId\")"
        " FROM elasticc_brokerclassifier LEFT JOIN elasticc_brokerclassification USING (\"classifierId\")"
        " GROUP BY \"classifierId\", 1 ORDER BY 1",
        drawing=Drawing(1, 0),
    ),
    "adminsummary": Summary(
        "Objects by true class",
        ("Class", "Model", "Description", "Objects"),
        "SELECT class.\"classId\", gentype, class.description, count(*) FROM elasticc_diaobjecttruth AS truth"
        " LEFT JOIN elasticc_gentypeofclassid AS class USING (gentype) GROUP BY 1, 2, 3 ORDER BY 1, 2",
        truth=True, drawing=Drawing(3, 2),
    ),
}  # fmt: skip
"""Pages of the first campaign by the last part of their address."""

SECOND: Final[dict[str, Summary]] = {
    "alertstreamhists": Summary(
        "Alerts sent by day",
        _SENT_HEADINGS,
        _SENT.format(sent="alertsenttimestamp", table="elasticc2_ppdbalert"),
        drawing=Drawing(1, 0, newest_first=True),
    ),
}
"""Pages of the second campaign."""


def lines(connection: psycopg.Connection[Any], summary: Summary) -> list[tuple[Any, ...]]:
    """The rows of a page, `MOST` at most."""
    return connection.execute(summary.query + " LIMIT %s", (MOST,), prepare=False).fetchall()
