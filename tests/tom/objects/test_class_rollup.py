"""The roll-up of classifications has the newest message of each object and classifier."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

from broker_assets.database import engine
from broker_assets.tom.objects.class_rollup import PROBABILITIES, top_classes, update_classes

classes = st.one_of(st.none(), st.integers(1, 6))
row = st.tuples(st.integers(1, 3), classes, st.sampled_from([0.0, 0.25, 0.5, 1.0, math.nan, None]))


@given(st.lists(row, max_size=20))
def test_it_is_what_a_loop_finds(rows: list[tuple[int, int | None, float | None]]) -> None:
    columns = [pa.array([item[place] for item in rows], field.type) for place, field in enumerate(PROBABILITIES)]
    found = top_classes(pa.table(columns, schema=PROBABILITIES)).to_pylist()
    assert [item["brokermessage_id"] for item in found] == sorted(
        {message for message, number, _ in rows if number is not None}
    )
    for item in found:
        best: dict[int, float] = {}
        for message, number, probability in rows:
            if message == item["brokermessage_id"] and number is not None:
                value = -1.0 if probability is None or math.isnan(probability) else probability
                best[number] = max(best.get(number, -2.0), value)
        order = sorted(best, key=lambda number: (-best[number], number))[:4]
        assert [item[f"latestclass{rank}id"] for rank in (1, 2, 3, 4)] == order + [None] * (4 - len(order))


@pytest.mark.database
def test_the_newest_message_of_the_newest_detection_counts(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (1, 1, 1, false)")
        for number, mjd in ((100, 60000.5), (101, 60001.5)):
            connection.execute("INSERT INTO elasticc2_diasource VALUES (%s, %s, 'Y', 1, 1, 5, 1, 5, 1)", (number, mjd))
        for name in ("a", "b"):
            connection.execute(
                "INSERT INTO elasticc2_brokerclassifier (brokername, classifiername) VALUES ('x', %s)", (name,)
            )

        def message(source: int, classifier: int, **classes: float) -> None:
            connection.execute(
                "INSERT INTO elasticc2_brokermessage (streammessage_id, kafka_partition, topicname, alert_id,"
                " diasource_id, classifier_id, classid, probability)"
                " VALUES (nextval('elasticc2_diaobjectinfo__id_seq'), 0, 't', %s, %s, %s, %s, %s)",
                (source, source, classifier, [int(name[1:]) for name in classes], list(classes.values())),
            )

        def update() -> int:
            with connection.transaction():
                return update_classes(connection, np.array([1, 2]))

        def found() -> list[tuple[Any, ...]]:
            return connection.execute(
                "SELECT classifier_id, latestclass1id, latestclass2id, latestclass1prob, midpointtai"
                " FROM elasticc2_diaobjectclassification ORDER BY 1"
            ).fetchall()

        message(100, 1, c2222=0.75, c200=0.25)
        assert (update(), update()) == (1, 0)
        assert found() == [(1, 2222, 200, 0.75, 60000.5)]
        message(101, 1, c2223=1.0)
        message(100, 2, c200=0.5, c300=0.5)
        # Later, about the earlier detection: not the newest.
        message(100, 1, c2224=1.0)
        # Without classes it says nothing; of an unknown classifier nobody knows whose it is.
        message(101, 2)
        message(101, 99, c1=1.0)
        assert update() == 2
        assert found() == [(1, 2223, None, 1.0, 60001.5), (2, 200, 300, 0.5, 60000.5)]
        message(101, 1, c2225=1.0)
        assert update() == 1
        assert found()[0][1] == 2225
        # Nulls come from dumps; a class that is null says nothing, and neither does a probability.
        for classids, probabilities, expected in (("{NULL}", "{0.5}", []), ("{NULL,2226}", "{0.5,NULL}", [2226])):
            connection.execute(
                "UPDATE elasticc2_brokermessage SET classid = %s, probability = %s WHERE brokermessage_id ="
                " (SELECT max(brokermessage_id) FROM elasticc2_brokermessage)",
                (classids, probabilities),
            )
            update()
            assert [row[1] for row in found() if row[0] == 1] == expected
        connection.execute("DELETE FROM elasticc2_brokermessage WHERE classifier_id = 2")
        update()
        assert [row[0] for row in found()] == [1]
        assert update_classes(connection, np.array([], np.int64)) == 0
