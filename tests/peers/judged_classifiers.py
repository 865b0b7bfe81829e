"""A small survey with known truth, and the classifications of two classifiers."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg

DAY = datetime.datetime(2026, 3, 1, 22, tzinfo=datetime.UTC)
GENTYPES = {1: 10, 2: 10, 3: 21, 4: 82, 5: 98}
"""Model of each object; 98 has no class."""
WITHOUT_TRUTH = 6
CLASSES = [2222, 2220, 2223, 2324, 2000]


@dataclass
class World:
    """What was stored, for brute force."""

    connection: psycopg.Connection[Any]
    random: np.random.Generator
    messages: list[dict[str, Any]] = field(default_factory=list)
    sent: dict[int, datetime.datetime] = field(default_factory=dict)
    gentypes: dict[int, int] = field(default_factory=lambda: dict(GENTYPES))

    def build(self) -> None:
        """Six objects with four alerts each, of which the last is not sent."""
        execute = self.connection.execute
        for number in (*GENTYPES, WITHOUT_TRUTH):
            execute(
                "INSERT INTO elasticc2_ppdbdiaobject (diaobject_id, ra, decl, isddf) VALUES (%s, 10, -5, false)",
                (number,),
            )
            execute(
                "INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (%s, 10, -5, false)", (number,)
            )
            for visit in range(4):
                alert = number * 10 + visit
                execute(
                    "INSERT INTO elasticc2_ppdbdiasource VALUES (%s, %s, 'r', 10, -5, 1, 1, 10, %s)",
                    (alert, 61000.0 + visit, number),
                )
                execute(
                    "INSERT INTO elasticc2_diasource (diasource_id, midpointtai, filtername, ra, decl, psflux,"
                    " psfluxerr, snr, diaobject_id) VALUES (%s, %s, 'r', 10, -5, 1, 1, 10, %s)",
                    (alert, 61000.0 + visit, number),
                )
                sent = None if visit == 3 else DAY + datetime.timedelta(days=visit, minutes=number)
                if sent is not None:
                    self.sent[alert] = sent
                execute("INSERT INTO elasticc2_ppdbalert VALUES (%s, %s, %s, %s)", (alert, sent, number, alert))
        for number, gentype in GENTYPES.items():
            self.truth(number, gentype)
        for number in (1, 2):
            execute(
                "INSERT INTO elasticc2_brokerclassifier (classifier_id, brokername, brokerversion, classifiername)"
                " OVERRIDING SYSTEM VALUE VALUES (%s, 'Broker', '1', %s)",
                (number, f"classifier {number}"),
            )

    def truth(self, number: int, gentype: int) -> None:
        """Set the model of an object."""
        names = [
            row[0]
            for row in self.connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'elasticc2_diaobjecttruth'"
                " AND table_schema = 'public' AND is_nullable = 'NO' AND column_name NOT IN ('diaobject_id', 'gentype')"
            )
        ]
        self.connection.execute("DELETE FROM elasticc2_diaobjecttruth WHERE diaobject_id = %s", (number,))
        self.connection.execute(
            f"INSERT INTO elasticc2_diaobjecttruth (diaobject_id, gentype, {', '.join(names)})"
            f" VALUES (%s, %s, {', '.join(['0'] * len(names))})",
            (number, gentype),
        )

    def send(self, alert: int, seconds: float = 0.0) -> None:
        """Mark an alert as sent."""
        self.sent[alert] = DAY + datetime.timedelta(days=4, seconds=seconds)
        self.connection.execute(
            "UPDATE elasticc2_ppdbalert SET alertsenttimestamp = %s WHERE alert_id = %s", (self.sent[alert], alert)
        )

    def report(self, count: int, about: Sequence[int] | None = None) -> None:
        """Store some messages, by default about sent alerts and one that nobody knows."""
        for _ in range(count):
            alert = int(self.random.choice(about if about is not None else [*self.sent, 999]))
            classes = self.random.permutation(CLASSES)[: self.random.integers(1, 5)].tolist()
            probability = self.random.choice([0.0, 0.305, 0.5, 0.999, 1.0, -0.1, float("nan")], len(classes)).tolist()
            stored = DAY + datetime.timedelta(days=5, seconds=float(self.random.integers(0, 100_000)))
            message = {
                "classifier_id": int(self.random.integers(1, 3)), "alert_id": alert, "classid": classes,
                "probability": probability, "stored": stored,
                "header": stored - datetime.timedelta(seconds=int(self.random.choice([0, 1, 500]))),
                "offset": len(self.messages),
            }  # fmt: skip
            row = self.connection.execute(
                "INSERT INTO elasticc2_brokermessage (streammessage_id, topicname, kafka_partition, alert_id,"
                " diasource_id, msghdrtimestamp, descingesttimestamp, classid, classifier_id, probability)"
                " VALUES (%(offset)s, 'topic', 0, %(alert_id)s, %(alert_id)s, %(header)s, %(stored)s, %(classid)s,"
                " %(classifier_id)s, %(probability)s) RETURNING brokermessage_id",
                message,
            ).fetchone()
            assert row is not None
            self.messages.append(message | {"id": row[0]})
