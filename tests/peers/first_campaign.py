"""A small first campaign: objects with alerts, truth, and messages of two classifiers."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg

from broker_assets.tom.first_campaign import writing

GENTYPES = {1: 10, 2: 20, 3: 10}
"""Object: its model, an Ia or an Ib/c."""
PEAK = 60000.0
DAYS = (-26.0, -25.75, -3.0, 12.0, 46.0)
"""Detections of every object, from the peak."""
SENT = datetime.datetime(2023, 1, 5, 7, tzinfo=datetime.UTC)
CLASSES = (111, 112)
"""Ia and Ib/c."""


def source(thing: int, place: int) -> dict[str, Any]:
    """A detection as the loader writes it."""
    return {
        "diaSourceId": thing * 100 + place, "diaObjectId": thing, "ccdVisitId": 1, "midPointTai": PEAK + DAYS[place],
        "filterName": "r", "ra": 10.0 + thing, "decl": -5.0, "psFlux": 1000.0 + place, "psFluxErr": 10.0, "snr": 100.0,
        "nobs": 5,
    }  # fmt: skip


def forced(thing: int, place: int, days: float) -> dict[str, Any]:
    """A forced measurement as the loader writes it."""
    return {
        "diaForcedSourceId": thing * 100 + place, "ccdVisitId": 1, "midPointTai": PEAK + days, "filterName": "r",
        "psFlux": 500.0, "psFluxErr": 10.0,
    }  # fmt: skip


def alert(thing: int, place: int) -> dict[str, Any]:
    """The alert of a detection with its whole history."""
    return {
        "alertId": thing * 100 + place,
        "diaObject": {"diaObjectId": thing, "ra": 10.0 + thing, "decl": -5.0, "simVersion": "1", "hostgal_mag_Y": 20.5},
        "diaSource": source(thing, place),
        "prvDiaSources": [source(thing, earlier) for earlier in range(place)] or None,
        "prvDiaForcedSources": [forced(thing, number, days) for number, days in enumerate((-60.0, -50.0, *DAYS))],
    }


def truth(thing: int) -> dict[str, Any]:
    """The truth of an object, with names of the dump of the simulation."""
    bands = {f"PEAKMAG_{band}": 20.0 for band in "ugrizY"}
    names = [
        *("LIBID", "SIM_SEARCHEFF_MASK", "ZCMB", "ZHELIO", "ZCMB_SMEAR", "RA", "DEC", "MWEBV", "RV", "AV", "MU"),
        *("LENSDMU", "MJD_DETECT_FIRST", "MJD_DETECT_LAST", "DTSEASON_PEAK", "SNRMAX", "SNRMAX2", "SNRMAX3"),
        *("NOBS", "NOBS_SATURATE"),
    ]
    return {
        **dict.fromkeys(names, 1), **bands, "CID": thing, "GENTYPE": GENTYPES.get(thing, 10), "NON1A_INDEX": 0,
        "PEAKMJD": PEAK,
    }  # fmt: skip


def probability(classifier: int, thing: int, place: int) -> float:
    """What a classifier gives the first class."""
    return [0.12, 0.33, 0.62, 0.91, 1.0][place] if classifier == 1 else 0.27 * (thing % 3)


def fill(connection: psycopg.Connection[Any]) -> None:
    """Write 15 alerts of 3 objects, all sent but those of object 3; object 2 is answered by one classifier."""
    alerts = [alert(thing, place) for thing in GENTYPES for place in range(len(DAYS))]
    assert writing.add_alerts(connection, alerts) == {"objects": 3, "sources": 15, "forcedsources": 21, "alerts": 15}
    assert writing.add_object_truth(connection, [truth(thing) for thing in (*GENTYPES, 99)]) == [1, 2, 3]
    connection.execute(
        'UPDATE elasticc_diaalert SET "alertSentTimestamp" = %s + "alertId" * interval \'1 minute\''
        ' WHERE "diaObjectId" < 3',
        (SENT,),
    )
    for classifier in (1, 2):
        connection.execute(
            'INSERT INTO elasticc_brokerclassifier ("classifierId", "brokerName", "brokerVersion", "classifierName",'
            " \"classifierParams\", modified) VALUES (%s, 'Broker', 'v1', %s, NULL, now())",
            (classifier, f"c{classifier}"),
        )
    number = 0
    for thing in GENTYPES:
        for place in range(len(DAYS)):
            number += 1
            connection.execute(
                'INSERT INTO elasticc_brokermessage ("brokerMessageId", "streamMessageId", "topicName", "alertId",'
                ' "diaSourceId", "descIngestTimestamp", "elasticcPublishTimestamp", modified)'
                " VALUES (%s, %s, 't', %s, %s, %s, %s, now())",
                (number, number, thing * 100 + place, thing * 100 + place, SENT + datetime.timedelta(hours=10), SENT),
            )
            for classifier in (1, 2) if thing != 2 else (1,):
                first = probability(classifier, thing, place)
                for classid, value in zip(CLASSES, (first, 1.0 - first), strict=True):
                    connection.execute(
                        'INSERT INTO elasticc_brokerclassification ("classifierId", "classId", probability, modified,'
                        ' "brokerMessageId") VALUES (%s, %s, %s, now(), %s)',
                        (classifier, classid, value, number),
                    )
