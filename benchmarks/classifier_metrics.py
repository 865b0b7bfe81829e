"""Metrics of classifiers: a million messages counted, then ten thousand more; compared with recounting all in pandas.

The naive method is that of the original: read every message, explode its classes, and count them all again each time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import psycopg

from broker_assets.database import engine, migrations
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.tom.metrics.curves import BINS
from broker_assets.tom.metrics.scorecards import scorecards
from broker_assets.tom.metrics.tallies import tally
from broker_assets.tom.taxonomy.hierarchy import read_taxonomy

CLASSIFIERS = 20
LISTED = 20
"""Classes in a message."""
ALERTS_PER_OBJECT = 15
INCREMENT = 10_000


def fill(connection: psycopg.Connection[Any], messages: int) -> None:
    """A survey whose alerts every classifier answers."""
    objects = max(1, messages // (CLASSIFIERS * ALERTS_PER_OBJECT))
    taxonomy = read_taxonomy("elasticc2")
    zeros = [
        row[0]
        for row in connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'elasticc2_diaobjecttruth'"
            " AND table_schema = 'public' AND is_nullable = 'NO' AND column_name NOT IN ('diaobject_id', 'gentype')"
        )
    ]
    values = {"objects": objects, "alerts": ALERTS_PER_OBJECT, "models": taxonomy.gentype.tolist()}
    connection.execute(
        "INSERT INTO elasticc2_ppdbdiaobject (diaobject_id, ra, decl, isddf)"
        " SELECT n, 10, -5, false FROM generate_series(1, %(objects)s::bigint) AS n",
        values,
    )
    connection.execute(
        f"INSERT INTO elasticc2_diaobjecttruth (diaobject_id, gentype, {', '.join(zeros)})"
        f" SELECT n, (%(models)s::int[])[1 + n %% cardinality(%(models)s::int[])], {', '.join(['0'] * len(zeros))}"
        " FROM generate_series(1, %(objects)s::bigint) AS n",
        values,
    )
    connection.execute(
        "INSERT INTO elasticc2_ppdbdiasource SELECT n * 100 + visit, 61000 + visit, 'r', 10, -5, 1, 1, 10, n"
        " FROM generate_series(1, %(objects)s::bigint) AS n, generate_series(1, %(alerts)s::int) AS visit",
        values,
    )
    connection.execute(
        "INSERT INTO elasticc2_ppdbalert SELECT diasource_id, '2026-03-01'::timestamptz"
        " + make_interval(days => (midpointtai - 61000)::int), diaobject_id, diasource_id FROM elasticc2_ppdbdiasource"
    )
    connection.execute(
        "INSERT INTO elasticc2_brokerclassifier (classifier_id, brokername, classifiername) OVERRIDING SYSTEM VALUE"
        " SELECT n, 'broker', 'classifier ' || n FROM generate_series(1, %s) AS n",
        (CLASSIFIERS,),
    )


def report(connection: psycopg.Connection[Any], first: int, count: int) -> None:
    """Store messages: each classifier about each alert, in turn."""
    classes = [int(one) for one in read_taxonomy("elasticc2").classid if one >= 2000][:LISTED]
    connection.execute(
        "INSERT INTO elasticc2_brokermessage (streammessage_id, topicname, kafka_partition, alert_id, diasource_id,"
        " msghdrtimestamp, descingesttimestamp, classid, classifier_id, probability)"
        " SELECT n, 'topic', 0, alert, alert, '2026-04-01', '2026-04-01 00:00:03', %(classes)s::smallint[],"
        " 1 + n %% %(classifiers)s,"
        " ARRAY(SELECT random() FROM generate_series(1, %(listed)s::int) WHERE n IS NOT NULL)::real[]"
        " FROM (SELECT n, (1 + n / %(each)s) * 100 + 1 + (n / %(classifiers)s) %% %(alerts)s AS alert"
        " FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS numbered",
        {"classes": classes, "classifiers": CLASSIFIERS, "listed": LISTED, "alerts": ALERTS_PER_OBJECT,
         "each": CLASSIFIERS * ALERTS_PER_OBJECT, "first": first, "last": first + count - 1},
    )  # fmt: skip


def naive(connection: psycopg.Connection[Any]) -> pd.DataFrame:
    """Every message again, as a frame."""
    frame = pd.DataFrame(
        connection.execute(
            "SELECT classifier_id, gentype, classid, probability FROM elasticc2_brokermessage"
            " JOIN elasticc2_ppdbalert USING (alert_id) JOIN elasticc2_diaobjecttruth USING (diaobject_id)"
        ).fetchall(),
        columns=["classifier", "gentype", "classid", "probability"],
    ).explode(["classid", "probability"])
    frame["bin"] = np.minimum((frame["probability"].astype(float) * BINS).astype(int), BINS - 1)
    frame["right"] = read_taxonomy("elasticc2").matches(frame["classid"].astype(int), frame["gentype"])
    return frame.groupby(["classifier", "classid", "right", "bin"]).size().reset_index(name="messages")


def main() -> None:
    """Fill, count, add, count again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    messages = parser.parse_args().messages
    with tempfile.TemporaryDirectory(prefix="broker-bench-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            migrations.upgrade(server.url())
            with engine.connect(server.url(), autocommit=True) as connection:
                fill(connection, messages + INCREMENT)
                report(connection, 0, messages)
                connection.execute("VACUUM ANALYZE")
                taxonomy = read_taxonomy("elasticc2")

                def timed(what: str, work: Any) -> float:
                    begin = time.perf_counter()
                    work()
                    seconds = time.perf_counter() - begin
                    print(f"{what:<58} {seconds:8.2f} s")
                    return seconds

                timed(f"count {messages:,} messages from the beginning (target 30 s)", lambda: tally(connection))
                timed("scorecards of all classifiers", lambda: scorecards(connection, taxonomy))
                report(connection, messages, INCREMENT)
                more = timed(f"count {INCREMENT:,} more (target 2 s)", lambda: tally(connection))
                more += timed("scorecards again", lambda: scorecards(connection, taxonomy))
                slow = timed("naive: all messages again with pandas, scores only", lambda: naive(connection))
                print(f"{'an increment is faster by':<58} {slow / more:8.1f} times")
    print(f"memory of this process {psutil.Process().memory_info().rss / 2**20:,.0f} MiB")


if __name__ == "__main__":
    main()
