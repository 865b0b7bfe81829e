"""Filters of the demonstration: on a watchlist, on context and features, on an annotation, on a moving list.

Each sends to a Kafka topic, and to the mailbox of the demonstration: once an hour, that on the annotation at once. A
program reads the topic of the second filter and annotates its first objects; the third filter selects these
annotations.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from confluent_kafka import KafkaException

from broker_assets.annotations.annotators import add_annotator
from broker_assets.annotations.client import NotSentError, run_annotator
from broker_assets.delivery import owners, sinks
from broker_assets.delivery.errors import SinkError
from broker_assets.delivery.sinks import Format
from broker_assets.filters.query import Form
from broker_assets.filters.store import FilterChanges, change_filter, create_filter
from broker_assets.local import demo_events
from broker_assets.replay.producer import ReplayError, ensure_topic
from broker_assets.settings import Settings

ADDRESS: Final = "demonstration@localhost"
"""E-mail address of the owner."""
ANNOTATOR: Final = "demonstration_trend"
ANNOTATED: Final = 10
"""Number of objects that the program annotates."""
IDLE_SECONDS: Final = 600.0
"""The program ends when nothing has passed the filter for this long, seconds."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DemoFilters:
    """What was added."""

    filters: tuple[int, ...]
    """Their numbers."""
    topic: str | None
    """Kafka topic that the annotator reads; None if there are no topics."""


def forms(watchlist: int) -> dict[str, Form]:
    """The filters by name; `watchlist` is that of the first filter."""
    return {
        "Objects of a watchlist": Form(
            "objects.diaObjectId, watchlist_hits.name, watchlist_hits.arcsec, objects.nDiaSources, objects.latestR",
            f"objects, watchlist:{watchlist}",
            "objects.latestR > 0.6 ORDER BY watchlist_hits.arcsec",
        ),
        "Supernovae in galaxies": Form(
            "objects.diaObjectId, objects.ra, objects.decl, sherlock_classifications.classification,"
            " sherlock_classifications.best_distance, objects.latest_psfFlux, objects.ebv",
            "objects, sherlock_classifications",
            "sherlock_classifications.classification IN ('SN', 'NT') AND objects.latest_psfFlux > 0"
            " AND objects.ebv < 0.5",
        ),
        "Supernovae that rise": Form(
            f"objects.diaObjectId, {ANNOTATOR}.classification, {ANNOTATOR}.explanation, objects.nDiaSources",
            f"objects, annotator:{ANNOTATOR}",
            f"{ANNOTATOR}.classification = 'rises'",
        ),
        "Objects of events": Form(
            "objects.diaObjectId, notice_events.name, notice_events.arcsec,"
            " objects.lastDiaSourceMjdTai - notice_events.trigger_tai AS days",
            "objects, notice_events",
            f"notice_events.stream = '{demo_events.LIST}'",
        ),
    }


def add(connection: psycopg.Connection[Any], settings: Settings, owner: str, watchlist: int) -> DemoFilters:
    """Add the filters with their sinks and the annotator, and activate them.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit.
    settings : Settings
        Settings of the platform, with its sinks.
    owner : str
        Owner of the filters.
    watchlist : int
        Watchlist of the first filter.
    """
    owners.set_contact(connection, owner, ADDRESS)
    add_annotator(connection, ANNOTATOR, owner, description="Says whether a light curve rises or fades", public=True)
    numbers, topics = [], []
    for name, form in forms(watchlist).items():
        annotated = ANNOTATOR in form.tables
        number = create_filter(
            connection, owner, name, form, description="An example", public=True, on_alerts=not annotated
        )
        numbers.append(number)
        kind: Format = "lite" if "sherlock" in form.tables else "plain"
        try:
            topics.append(sinks.add(connection, settings.delivery, number, "kafka", form=kind).target)
            if settings.delivery.mail.host is not None:
                sinks.add(connection, settings.delivery, number, "email", schedule="now" if annotated else "hour")
        except SinkError as error:
            logger.warning("the filter %s has a sink less: %s", name, error)
        change_filter(connection, owner, number, FilterChanges(active=True))
    return DemoFilters(tuple(numbers), topics[1] if len(topics) == len(numbers) else None)


def trend(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Class of a message with a light curve: `rises` or `fades`, by the first and the last third of its detections.

    Examples
    --------
    >>> fluxes = [{"midpointMjdTai": float(time), "psfFlux": 100.0 * time} for time in range(1, 7)]
    >>> trend({"alert": {"diaSourcesList": fluxes}})["classification"]
    'rises'
    >>> trend({"alert": {"diaSourcesList": fluxes[:1]}})
    """
    points = sorted(row.get("alert", {}).get("diaSourcesList") or (), key=lambda point: point["midpointMjdTai"])
    fluxes = [point["psfFlux"] for point in points if point["psfFlux"] is not None]
    third = len(fluxes) // 3
    if not third:
        return None
    first, last = sum(fluxes[:third]) / third, sum(fluxes[-third:]) / third
    return {
        "classification": "rises" if last > first else "fades",
        "explanation": f"mean flux of the first {third} detections {first:,.0f} nJy, of the last {last:,.0f} nJy",
        "classdict": {"first": first, "last": last, "detections": len(fluxes)},
    }


class TrendAnnotator(threading.Thread):
    """The program that annotates, in a thread, as a user would run it elsewhere.

    Parameters
    ----------
    servers : str
        Kafka servers.
    properties : mapping
        Further properties of its clients.
    topic : str
        Topic of the filter that it reads.
    """

    def __init__(self, servers: str, properties: Mapping[str, Any], topic: str) -> None:
        super().__init__(name="annotator", daemon=True)
        self._servers = servers
        self._properties = properties
        self._topic = topic
        self._answered = 0

    def run(self) -> None:
        """Annotate the first objects that the filter passes."""
        try:
            ensure_topic(self._servers, f"anno_{ANNOTATOR}", partitions=1, client=dict(self._properties))
            run_annotator(
                self._classified,
                filter_topic=self._topic,
                annotator=ANNOTATOR,
                servers=self._servers,
                group="demonstration-trend",
                version="1",
                reading=self._properties,
                sending=self._properties,
                idle_seconds=IDLE_SECONDS,
            )
        except (KafkaException, NotSentError, ReplayError) as error:
            logger.warning("the annotator of the demonstration ended: %s", error)

    def _classified(self, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
        said = trend(row) if self._answered < ANNOTATED else None
        self._answered += said is not None
        return said
