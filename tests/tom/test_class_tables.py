"""What a classifier says of one true class, by days from the peak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.tom import class_tables
from broker_assets.tom.class_tables import STRUCTURES, NoClassTable, class_table

pytestmark = [pytest.mark.database, pytest.mark.shared]


@pytest.fixture(scope="module")
def connection(module_tom_snapshot_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_tom_snapshot_url) as opened:
        yield opened


def test_the_tables_agree(connection: psycopg.Connection[Any]) -> None:
    """Class 2223 is that of 272 of 346 objects; classifier 4 gives 20 classes for each detection."""
    tables = {what: class_table(connection, what, 4, 2223) for what in STRUCTURES}
    objects, sources, said = (tables[what] for what in STRUCTURES[:3])
    assert set(objects["gentype"]) == {20}
    assert set(sources.index.get_level_values("diaobject_id")) == set(objects.index)
    assert sources["relday"].between(-20, 90).all()
    assert ((sources["deltat"] - sources["relday"]).between(0, 1)).all()
    assert len(said) == 20 * len(sources)
    means = tables["meanprobabilities"]
    assert means.loc[(0, 2222), "probability"] == pytest.approx(
        said[said["relday"] == 0].xs(2222, level="classid")["probability"].mean()
    )
    best = said.sort_values("probability").groupby("relday").tail(1)
    likely = best.reset_index().set_index("relday")["classid"].sort_index()
    assert tables["maxprobabilities"]["classid"].to_dict() == likely.to_dict()


def test_the_newest_message_of_a_detection_counts(tom_snapshot_url: str) -> None:
    with engine.connect(tom_snapshot_url) as connection:
        before = class_table(connection, "classifications", 5, 2223)
        number = int(before.index[0][1])
        connection.execute(
            "INSERT INTO elasticc2_brokermessage (streammessage_id, kafka_partition, topicname, alert_id, diasource_id,"
            " classifier_id, classid, probability) VALUES (1, 0, 'later', %s, %s, 5, '{2223,200}', '{0.5,0.5}')",
            (number, number),
        )
        after = class_table(connection, "classifications", 5, 2223)
        assert len(after) == len(before) + 1
        assert after.xs(number, level="diasource_id")["probability"].tolist() == [0.5, 0.5]


def test_what_there_is_not(connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for what, classifier, classid, said in (
        ("x", 4, 2223, "Unknown data structure: x"),
        ("objects", 9, 2223, "Can't find data file for classifier 9, class 2223"),
        ("objects", 4, 2220, "Can't find data file for classifier 4, class 2220"),
    ):
        with pytest.raises(NoClassTable, match=said):
            class_table(connection, what, classifier, classid)
    assert len(class_table(connection, "sources", 4, 2332)) == 0
    monkeypatch.setattr(class_tables, "MOST", 3)
    with pytest.raises(NoClassTable, match="more than 3 rows: use SQL"):
        class_table(connection, "sources", 4, 2223)
