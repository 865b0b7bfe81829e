"""What the tests of DESC's TOM do around their requests: restore its dump, look into its tables, run its commands.

The names that they import are in `peers/tom_desc`; `run_original_tests.py` there runs the files themselves.
"""

from __future__ import annotations

import datetime
import io
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import django
import django.db
import elasticc2.models as tables
import fastdb_dev.models
import manage
import psycopg
import pytest
import tom_connection
import tom_targets.models
from run_original_tests import adapted, copied
from tom_dump import SEQUENCES, TABLES, restore, write_dump

pytestmark = [pytest.mark.database, pytest.mark.shared]

COUNTS = {
    tables.PPDBDiaObject: 346, tables.PPDBDiaSource: 1862, tables.PPDBDiaForcedSource: 52_172, tables.PPDBAlert: 1862,
    tables.DiaObjectTruth: 346, tables.DiaObject: 131, tables.DiaSource: 650, tables.DiaForcedSource: 5765,
    tables.DiaObjectInfo: 268, tables.BrokerClassifier: 3, tables.BrokerMessage: 1950, tables.BrokerSourceIds: 650,
}  # fmt: skip
"""Rows of the snapshot (contract, 7.2)."""


@pytest.fixture(scope="module")
def dump(
    shared_folder: Path,
    postgres: Any,
    new_database: Callable[..., AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    path = tmp_path_factory.mktemp("dump") / "alertcycle.psqlc"
    with new_database() as name:
        write_dump(postgres.dsn(name), shared_folder / "data" / "desc_tom", path)
    return path


@pytest.fixture(scope="module")
def restored(module_database_url: str, dump: Path) -> Iterator[str]:
    """A database into which the tables were restored, of which the classes look into it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROKER_DATABASE__URL", module_database_url)
        assert all(model.objects.count() == 0 for model in COUNTS)
        done = restore(module_database_url.replace("+psycopg", ""), dump, TABLES)
        assert (done.returncode, done.stderr) == (0, "")
        yield module_database_url
        tom_connection.disconnect()


def test_a_dump_of_the_original_restores(restored: str) -> None:
    assert {model: model.objects.count() for model in COUNTS} == COUNTS
    sent = tables.PPDBAlert.objects.exclude(alertsenttimestamp=None)
    assert sent.count() == tables.PPDBAlert.objects.filter(alertsenttimestamp__isnull=False).count() == 650
    roll_up = tables.DiaObjectInfo.objects.get(diaobject_id=6048, filtername="g")
    assert roll_up.firstsource_id == roll_up.latestsource_id == 604800047
    assert roll_up.firstsourceflux == pytest.approx(408.03259, abs=1e-5)
    assert roll_up.latestsourcemjd == 60355.1755
    # The numbering goes on behind the rows of the dump; with `-t` its sequences are not set.
    sums = [len(message.classid) for message in tables.BrokerMessage.objects.all()]
    assert sum(sums) == 14_950


def test_rows_have_the_idioms_of_the_tests(restored: str) -> None:
    django.setup()
    with django.db.connection.cursor() as cursor:
        assert cursor.execute("SELECT 1").fetchone() == (1,)
    objects = tables.DiaObject.objects
    lowest = [row.diaobject_id for row in objects.all().order_by("diaobject_id")[0:25]]
    assert lowest[0] == objects.first().pk == 6048
    assert lowest == sorted(row.pk for row in objects.filter(diaobject_id__in=lowest))
    assert objects.order_by("-diaobject_id")[0] == objects.last()
    assert len(objects.filter(diaobject_id__lte=lowest[4]).filter(diaobject_id__gt=lowest[1])) == 3
    assert not objects.filter(diaobject_id__in=[])
    with pytest.raises(tables.DiaObject.DoesNotExist):
        objects.get(pk=1)
    with pytest.raises(IndexError):
        objects.filter(pk=6048)[1]
    source = tables.DiaSource.objects.filter(diaobject=lowest[0]).order_by("midpointtai")[0]
    assert isinstance(source.psflux, float)
    assert source.diaobject == objects.get(pk=lowest[0])
    message = tables.BrokerMessage.objects.filter(topicname="REST_push").first()
    assert (message.classid, message.probability) == ([111, 112], [0.25, 0.75])
    assert message.descingesttimestamp.utcoffset() == datetime.timedelta(0)
    assert message.classifier.brokername == "apiclassifier"
    # Detections by day (contract, 11.3), and alerts up to a time.
    counts = Counter(int(one.midpointtai) for one in tables.PPDBDiaSource.objects.filter(midpointtai__lt=60290))
    days = {60278: 8, 60279: 4, 60281: 7, 60282: 2, 60283: 5, 60286: 6, 60287: 6, 60288: 2, 60289: 6}
    assert counts == days
    for limit, alerts, things in ((60578, 545, 102), (60675.5, 650, 131), (60676.5, 651, None)):
        found = tables.PPDBDiaSource.objects.filter(midpointtai__lte=limit)
        assert found.count() == alerts
        assert things in (len({one.diaobject_id for one in found}), None)
    # 32-bit floats have the digits that the original prints.
    point = tables.PPDBDiaForcedSource.objects.filter(diaobject_id=1552185).order_by("midpointtai").first()
    assert float(str(point.psflux)) == point.psflux
    # Names that are only imported.
    assert fastdb_dev.models.DStoPVtoSS is fastdb_dev.models.DStoPVtoSS
    assert fastdb_dev.models.LastUpdateTime._meta.db_table == "last_update_time"
    assert tom_targets.models.Target.__name__ == "Target"


def test_alerts_are_reconstructed(restored: str) -> None:
    def counts(number: int, **options: Any) -> tuple[int, int]:
        alert = tables.PPDBAlert.objects.get(pk=number).reconstruct(**options)
        assert list(alert) == ["alertId", "diaSource", "prvDiaSources", "prvDiaForcedSources", "diaObject"]
        return len(alert["prvDiaSources"]), len(alert["prvDiaForcedSources"])

    assert counts(155218500031) == (22, 31)
    assert counts(155218500005) == (5, 0)
    assert counts(155218500013) == (13, 13)
    assert counts(172671000100) == (49, 100)
    assert counts(172671000100, daysprevious=30) == (2, 31)
    assert counts(172671000100, nprevious=10) == (49, 10)
    assert counts(172671000100, daysprevious=30, nprevious=4) == (2, 4)


def test_batches_of_messages_are_loaded(restored: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    rng = random.Random(64738)
    batch = [
        {
            "topic": "testing", "msgoffset": number, "timestamp": now,
            "msg": {
                "alertId": 10**12 + number, "diaSourceId": 10**12 + number, "elasticcPublishTimestamp": now,
                "brokerIngestTimestamp": now, "brokerName": f"rbc_test{1 + number % 2}", "brokerVersion": "0",
                "classifierName": "test", "classifierParams": "", "classifications": [
                    {"classId": 2222, "probability": rng.random()}, {"classId": 2223, "probability": rng.random()},
                ],
            },
        }
        for number in range(20)
    ]  # fmt: skip
    done = tables.BrokerMessage.load_batch(batch + batch[:3])
    assert (done["addedmsgs"], done["addedclassifiers"]) == (20, 2)
    names = ["rbc_test1", "rbc_test2"]
    numbers = tables.BrokerClassifier.objects.filter(brokername__in=names).values_list("classifier_id", flat=True)
    messages = tables.BrokerMessage.objects.filter(classifier_id__in=numbers)
    assert messages.count() == 20
    assert all(one.msghdrtimestamp == now for one in messages)
    sources = {one.diasource_id for one in messages}
    assert sources <= {one.diasource_id for one in tables.BrokerSourceIds.objects.all()}
    for one in messages:
        one.delete()
    tables.BrokerSourceIds.objects.filter(diasource_id__in=sources).delete()
    tables.BrokerClassifier.objects.filter(classifier_id__in=numbers).delete()
    assert {model: model.objects.count() for model in COUNTS} == COUNTS


def test_commands_have_their_names_and_options(restored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_HOME", str(tmp_path))
    manage.main(["create_test_users"])
    manage.main(["create_test_users"])
    schema = "/tests/schema/elasticc.v0_9_1.alert.avsc"
    topics = [f"--{kind}-topic=x" for kind in ("wfd", "ddf-full", "ddf-limited")]
    for arguments in (
        ["long_query_runner", "-o"],
        ["long_query_runner", "-p", "0."],
        ["update_elasticc2_sources"],
        ["dump_elasticc2_alert_tars", "--start-day", "60278", "-d", "60286", "-s", schema, "-o", str(tmp_path), "--do"],
        # Nothing is left to be sent of these days.
        ["send_elasticc2_alerts", "-d", "60278", "-k", "127.0.0.1:1", *topics, "-s", schema, "-r",
         str(tmp_path / "running"), "--do"],
    ):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            manage.main(arguments)
        assert not ended.value.code, arguments
    assert sorted(path.name for path in tmp_path.glob("*.tar")) == [
        f"{day}.tar" for day in (60278, 60279, 60281, 60282, 60283, 60286)
    ]


def test_everything_can_be_deleted(restored: str) -> None:
    tables.DiaObject.objects.all().delete()
    # What refers to an object goes with it.
    assert not any(kind.objects.count() for kind in (tables.DiaSource, tables.DiaForcedSource, tables.DiaObjectInfo))
    for model in COUNTS:
        model.objects.all().delete()
    assert not any(model.objects.count() for model in COUNTS)


def test_a_whole_dump_restores_with_its_sequences_and_children_can_go_first(
    database_url: str, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = restore(database_url.replace("+psycopg", ""), dump)
    assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    try:
        for table, (column, _) in SEQUENCES.items():
            with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
                query = f"SELECT nextval(pg_get_serial_sequence('{table}', '{column}')), max(\"{column}\") FROM {table}"
                following, greatest = connection.execute(query).fetchall()[0]  # type: ignore[call-overload]
                assert following == greatest + 1
        for model in reversed(COUNTS):
            model.objects.all().delete()
        assert not any(model.objects.count() for model in COUNTS)
    finally:
        tom_connection.disconnect()


def test_files_are_run_with_the_names_of_a_platform(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "test_x.py").write_text('get("http://tom:8080/x", cwd="/tom_desc", k="kafka-server:9092")')
    (tmp_path / "files" / "data.bin").write_bytes(b"\xff/tests")
    names = {"http://tom:8080": "http://127.0.0.1:9", "/tom_desc": "/d", "kafka-server:9092": "127.0.0.1:8"}
    copy = copied(tmp_path / "files", tmp_path / "copy", names)
    assert (copy / "test_x.py").read_text() == 'get("http://127.0.0.1:9/x", cwd="/d", k="127.0.0.1:8")'
    assert io.FileIO(copy / "data.bin").read() == b"\xff/tests"
    assert adapted("https://desc-tom/tests", {"/tests": "/x"}) == "https://desc-tom/tests"
