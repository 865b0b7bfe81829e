"""The offline commands on real packets of every framing."""

import io
import json
import subprocess
import sys
from collections import namedtuple
from typing import Any

import fastavro
import numpy as np
import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from broker_assets.commands.packets import app
from broker_assets.packets import archive
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import rubin_schema_folder
from broker_assets.packets.tables import TABLE_NAMES

pytestmark = pytest.mark.shared


@pytest.fixture
def alerts(shared_folder):
    return shared_folder / "data" / "alerts"


@pytest.fixture
def rubin():
    folder = rubin_schema_folder()
    if folder is None:
        pytest.skip("the package lsst-alert-packet is not installed")
    return folder


def run(*arguments, code=0, **options):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], **options)
    assert result.exit_code == code, result.output
    return result


def show(*arguments, **options):
    result = run("show", *arguments, **options)
    return [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_show_a_message_in_confluent_wire_format(alerts, rubin):
    (document,), told = show(alerts / "lsst" / "7912941781254298.confluent.avro")
    assert document["survey"] == "rubin"
    assert (document["schema"], document["version"]) == ("lsst.v9_0.alert", "9.0")
    assert document["object"] == document["source"] == 7912941781254298
    assert document["band"] == "r"
    assert (document["previous"], document["forced"], document["nondetections"]) == (0, 0, 0)
    assert document["cutouts"] == {"science": 34560, "template": 69120, "difference": 34560}
    assert told.strip() == "1 packet: 1 read, 0 failed"


@pytest.mark.parametrize(("previous", "forced"), [(0, 0), (10, 30), (100, 365)])
def test_show_a_bare_datum(alerts, rubin, previous, forced):
    name = alerts / "lsst" / f"v9_0_history_{previous}_{forced}.schemaless.avro"
    for schema in (rubin, rubin / "9" / "0", rubin / "9" / "0" / "lsst.v9_0.alert.avsc"):
        (document,), _ = show(name, "--schema", schema)
        assert document["schema"] == "lsst.v9_0.alert"
        assert (document["previous"], document["forced"]) == (previous, forced)


def test_a_bare_datum_without_schema_says_what_to_do(alerts):
    (document,), _ = show(alerts / "lsst" / "v9_0_history_0_0.schemaless.avro", code=1)
    assert "--schema" in document["error"]


def test_show_folders(alerts):
    documents, told = show(alerts / "ztf", alerts / "elasticc")
    assert "0 failed" in told
    expected = sorted([*(alerts / "ztf").glob("*.avro")]) + sorted([*(alerts / "elasticc").glob("*.avro")])
    assert [document["file"] for document in documents] == [str(path) for path in expected]
    for document, path in zip(documents, expected, strict=True):
        record: Any = next(fastavro.reader(io.BytesIO(path.read_bytes())))
        if document["survey"] == "ztf":
            history = record["prv_candidates"] or []
            assert document["object_name"] == record["objectId"]
            assert document["source"] == record["candidate"]["candid"]
            assert document["version"] == record["schemavsn"]
            assert document["previous"] == sum(item["candid"] is not None for item in history)
            assert document["nondetections"] == sum(item["candid"] is None for item in history)
            assert document["forced"] == len(record.get("fp_hists") or [])
            assert document["cutouts"]["science"] == len(record["cutoutScience"]["stampData"])
        else:
            assert document["source"] == record["diaSource"]["diaSourceId"]
            assert document["previous"] == len(record["prvDiaSources"] or [])
            assert document["cutouts"] == {}


def test_standard_input(alerts):
    content = sorted((alerts / "ztf").glob("*.avro"))[0].read_bytes()
    (document,), _ = show("-", input=content)
    assert (document["file"], document["survey"]) == ("-", "ztf")


def test_what_cannot_be_read_is_told_and_the_rest_is_shown(alerts, tmp_path):
    good = sorted((alerts / "ztf").glob("*.avro"))[0]
    for name, content in {
        "a.avro": good.read_bytes(),
        "b.avro": good.read_bytes()[:-100],
        "c.avro": b"",
        "d.avro": b"hello",
        "e.avro": b"\x00\x00\x00\x30\x39hello",
    }.items():
        (tmp_path / name).write_bytes(content)
    with (tmp_path / "f.avro").open("wb") as file:
        fastavro.writer(
            file, {"type": "record", "name": "weather", "fields": [{"name": "x", "type": "int"}]}, [{"x": 1}]
        )
    documents, told = show(tmp_path, tmp_path / "nowhere.avro", code=1)
    assert ["error" in document for document in documents] == [False, True, True, True, True, True, True]
    assert "truncated" in documents[1]["error"]
    assert "12345" in documents[4]["error"]
    assert "weather" in documents[5]["error"]
    assert "No such file" in documents[6]["error"]
    assert told.strip() == "7 packets: 1 read, 6 failed"


def test_files_of_our_archive(alerts, tmp_path):
    message = namedtuple("message", "partition offset timestamp_ms key value")
    messages = [
        message(0, number, 0, None, path.read_bytes())
        for number, path in enumerate(sorted((alerts / "ztf").glob("*.avro")))
    ]
    identified = AlertDecoder("ztf", "container").identify([item.value for item in messages])
    for part in archive.parts(identified.framed, identified.packet, identified.night, messages):
        archive.write(str(tmp_path), "ztf", part, messages, identified.framed, framing="container")
    documents, _ = show(tmp_path)
    assert sorted(document["source"] for document in documents) == sorted(identified.diasourceid.tolist())


def test_several_records_in_a_block(alerts, tmp_path):
    paths = sorted((alerts / "elasticc").glob("*.avro"))[:20]
    readers = [fastavro.reader(io.BytesIO(path.read_bytes())) for path in paths]
    with (tmp_path / "all.avro").open("wb") as file:
        fastavro.writer(file, readers[0].writer_schema, [next(reader) for reader in readers], codec="deflate")
    one_by_one, _ = show(*paths)
    together, _ = show(tmp_path)
    assert [document["record"] for document in together] == list(range(20))
    assert [document["source"] for document in together] == [document["source"] for document in one_by_one]


def test_export(alerts, rubin, tmp_path):
    folders = [alerts / name for name in ("elasticc", "lsst", "ztf")]
    for _ in range(2):  # the second replaces the first
        run("export", *folders, "--schema", rubin, "--out", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"{name}.parquet" for name in TABLE_NAMES
    )
    packets = parquet.read_table(tmp_path / "out" / "packet.parquet")
    sources = parquet.read_table(tmp_path / "out" / "source.parquet")
    documents, _ = show(*folders, "--schema", rubin)
    by_file = {(row["file"], row["record"]): row for row in packets.to_pylist()}
    assert len(by_file) == len(documents) == 153
    for document in documents:
        assert by_file[document["file"], document["record"]]["diasourceid"] == document["source"]
    number = np.asarray(sources["packet"])
    for document in documents:
        packet = by_file[document["file"], document["record"]]["packet"]
        assert (number == packet).sum() == document["previous"] + 1
    forced = parquet.read_table(tmp_path / "out" / "forced_source.parquet")
    assert forced.num_rows == sum(document["forced"] for document in documents)


def test_export_tells_failures_and_keeps_the_rest(alerts, tmp_path):
    (tmp_path / "bad.avro").write_bytes(b"bad")
    good = sorted((alerts / "ztf").glob("*.avro"))[0]
    result = run("export", tmp_path / "bad.avro", good, "--out", tmp_path / "out", code=1)
    assert "bad.avro" in result.stderr
    packets = parquet.read_table(tmp_path / "out" / "packet.parquet").to_pylist()
    assert [(row["packet"], row["file"]) for row in packets] == [(1, str(good))]


def test_cutouts(alerts, tmp_path):
    packet = sorted((alerts / "ztf").glob("*.avro"))[0]
    run("cutout", packet, "--kind", "difference", "--out", tmp_path / "x.fits")
    run("cutout", packet, "--out", tmp_path / "x.png")
    assert (tmp_path / "x.fits").read_bytes()[:9] == b"SIMPLE  ="
    assert (tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"
    assert "no record 3" in run("cutout", packet, "--record", 3, "--out", tmp_path / "y.png", code=1).stderr
    run("cutout", packet, "--out", tmp_path / "y.jpg", code=2)
    assert "colour" in run("cutout", packet, "--kind", "colour", "--out", tmp_path / "y.png", code=1).stderr


def test_wrong_schema_and_empty_folder(tmp_path):
    assert "no Avro schema" in run("show", tmp_path, "--schema", tmp_path / "nowhere", code=2).output
    assert "no *.avro" in run("show", tmp_path, code=1).stderr


def test_help_needs_neither_numba_nor_dagster():
    script = (
        "import sys; from broker_assets.commands.packets import app; "
        "print([name for name in ('numba', 'pyarrow', 'dagster') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
