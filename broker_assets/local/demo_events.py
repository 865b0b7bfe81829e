"""The moving list of the demonstration: a notice of an event with an error circle, as GCN sends them.

One notice in GCN's schema is sent to a topic before the alerts. It becomes a cone of the list's watchlist, valid from
the time of the event; the circle is around an object of the sample stream.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.replay.producer import OutgoingMessage, produce
from broker_assets.settings import MovingListSettings, NoticeSettings, Settings

LIST: Final = "demonstration"
"""Name of the list, and of its watchlist."""
TOPIC: Final = "demonstration.notices"
EVENT: Final = "demonstration-1"
ERROR_DEGREES: Final = 0.05
"""Three arcmin, typical of a wide-field X-ray telescope."""
DAYS_AFTER: Final = 30.0


def wanted(settings: Settings) -> NoticeSettings | None:
    """The settings of notices with the list; None if the user already reads notices, or has a Kafka of their own."""
    own = settings.notices
    if own.topic is not None or own.lists or not settings.needs_embedded_kafka:
        return None
    return own.model_copy(update={"lists": [MovingListSettings(name=LIST, topics=(TOPIC,), days_after=DAYS_AFTER)]})


def topic_of(settings: Settings) -> str | None:
    """Kafka topic of the list; None if it is not one of the settings."""
    return next((one.topics[0] for one in settings.notices.lists if one.name == LIST), None)


def place_of_first(truth: pa.Table, objects: Sequence[int]) -> tuple[float, float] | None:
    """Position (ICRS, degrees) of the first of some objects that belongs to the simulated sky.

    The others are artefacts and minor planets, which have the first alert of some nights.

    Parameters
    ----------
    truth : pyarrow.Table
        `diaobjectid`, `ra` and `dec` of the objects of the sky.
    objects : sequence of int
        Identifiers.

    Examples
    --------
    >>> truth = pa.table({"diaobjectid": [7, 8], "ra": [10.0, 11.0], "dec": [-20.0, -21.0]})
    >>> place_of_first(truth, [9, 8, 7])
    (11.0, -21.0)
    >>> place_of_first(truth, [9]) is None
    True
    """
    rows = pc.drop_null(pc.index_in(pa.array(objects, pa.int64()), truth["diaobjectid"].combine_chunks()))
    if not len(rows):
        return None
    row = rows[0].as_py()
    return truth["ra"][row].as_py(), truth["dec"][row].as_py()


def notice(ra: float, dec: float, trigger: datetime.datetime) -> bytes:
    """A notice in GCN's schema.

    Parameters
    ----------
    ra, dec : float
        ICRS position, degrees.
    trigger : datetime
        Time of the event, UTC.

    Examples
    --------
    >>> text = notice(10.0, -20.0, datetime.datetime(2026, 11, 20, 3, tzinfo=datetime.UTC))
    >>> json.loads(text)["trigger_time"]
    '2026-11-20T03:00:00Z'
    """
    moment = f"{trigger.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    record: dict[str, Any] = {
        "$schema": "https://gcn.nasa.gov/schema/v7.2.3/gcn/notices/einstein_probe/wxt/alert.schema.json",
        "instrument": "simulated", "id": [EVENT], "trigger_time": moment, "alert_tense": "current",
        "ra": ra, "dec": dec, "ra_dec_error": ERROR_DEGREES, "containment_probability": 0.9,
    }  # fmt: skip
    return json.dumps(record).encode()


def send(servers: str, client: Mapping[str, Any], topic: str, message: bytes) -> None:
    """Send the notice.

    Parameters
    ----------
    servers : str
        Kafka servers.
    client : mapping
        Further properties of its client.
    topic : str
        See `topic_of`.
    message : bytes
        See `notice`.

    Raises
    ------
    ReplayError
        If it cannot be delivered.
    """
    produce([OutgoingMessage(message)], bootstrap_servers=servers, topic=topic, partitions=1, client=client)
