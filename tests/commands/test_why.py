"""`broker-assets why`: of rows, product files and assets."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest
from queued_messages import add_sink, queue
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.database import engine
from broker_assets.provenance import versions
from broker_assets.provenance.product_files import FileRecord, record
from broker_assets.settings import load_settings

pytestmark = pytest.mark.database

NAME = "solo_L1_stix-ql-lightcurve_20231101_V02.fits"


@pytest.fixture
def call(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The command, on a database with one product file."""
    file = FileRecord(
        path=PurePosixPath("L1/2023/11/01/QL", NAME),
        level="L1",
        family="quicklook",
        kind="ql-lightcurve",
        version=2,
        day=datetime.date(2023, 11, 1),
        rows=21600,
        start="2023-11-01T00:00:00",
        end="2023-11-02T00:00:00",
        digest="abc",
        size=5760,
        parents=("solo_L0_stix-ql-lightcurve_0752112000_V02U.fits",),
        raw_files=("TM_one.xml",),
        inputs={"spice_kernels": "solo_ANC_soc-flown-mk_V111.tm"},
    )
    with engine.transaction(database_url) as connection:
        versions = {file.day: {"spice_kernels": "c1c2"}}
        record(connection, [file], run_id="run-7", code_version="ql-lightcurve 2", input_versions=versions)
    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, ["why", *arguments], env={"COLUMNS": "200"})
    load_settings.cache_clear()


def test_of_a_product_file(call: Any) -> None:
    shown = call(NAME)
    assert shown.exit_code == 0, shown.output
    for text in ("run-7", "21600", "c1c2 (solo_ANC_soc-flown-mk_V111.tm)", "solo_L0_stix", "telemetry file", "TM_one"):
        assert text in shown.output
    (found,) = json.loads(call(f"somewhere/{NAME}", "--json").output)
    assert [use["kind"] for use in found["used"]] == ["input", "parent", "raw"]


def test_of_an_asset_and_its_partitions(call: Any, database_url: str) -> None:
    source = versions.Input(asset="packet_archive", partition="2025-10-01", data_version="a1")
    entries = [
        versions.Artefact(
            asset="sources", partition="2025-10-01", data_version="s1", code_version="7", inputs=(source,)
        ),
        versions.Artefact(asset="cone_index", data_version="c1", run_id="run-8"),
    ]
    with engine.transaction(database_url) as connection:
        versions.record(connection, entries)
    shown = call("sources:2025-10-01")
    assert shown.exit_code == 0, shown.output
    for text in ("s1", "7", "packet_archive:2025-10-01 a1"):
        assert text in shown.output
    (found,) = json.loads(call("cone_index", "--json").output)
    assert (found["data_version"], found["run_id"], found["inputs"]) == ("c1", "run-8", [])
    assert call("sources").exit_code == 1


def test_of_what_is_not_there(call: Any) -> None:
    for what in ("solo_L1_nothing.fits", "12345"):
        missing = call(what)
        assert missing.exit_code == 1
        assert f"{what} in the database" in missing.output


def test_of_a_row(call: Any, database_url: str) -> None:
    with engine.transaction(database_url) as connection:
        connection.execute(
            "INSERT INTO crossmatch_tns (objid, ra, decl, tns_name, htm16, tns_file, tns_file_sha256)"
            " VALUES (7, 1, 2, '2026abc', 3, 'tns_public_objects.csv.zip', 'ab12'), (8, 1, 2, '2026abd', 3, NULL, NULL)"
        )
    shown = call("crossmatch_tns", "TNS_NAME=2026abc")
    assert shown.exit_code == 0, shown.output
    assert "tns_public_objects.csv.zip" in shown.output
    assert "ab12" in shown.output
    (found,) = json.loads(call("crossmatch_tns", "objid=7", "--json").output)
    assert (found["table"], found["file"]["sha256"], found["missing"]) == ("crossmatch_tns", "ab12", [])
    assert call("crossmatch_tns", "objid=8").output.splitlines()[-2].split() == ["not", "found", "file"]
    (product,) = json.loads(call("product_file", f"name={NAME}", "--json").output)
    assert (product["file"]["sha256"], product["file"]["run_id"]) == ("abc", "run-7")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("objects", "diaobjectid=5"), 1, "no such row of objects"),
        (("objects",), 1, "broker-assets why objects diaobjectid=…"),
        (("objects", "colour=red"), 1, "objects has no column 'colour'; its rows have diaobjectid"),
        (("objects", "diaobjectid=five"), 1, "does not fit its column"),
        (("nothing", "id=5"), 1, "there is no table 'nothing'"),
        (("point_sums", "diaobjectid=5"), 1, "bookkeeping"),
        (("objects", "five"), 2, "COLUMN=VALUE"),
    ],
)
def test_questions_that_cannot_be_answered(call: Any, arguments: tuple[str, ...], code: int, words: str) -> None:
    asked = call(*arguments)
    assert asked.exit_code == code
    assert words in asked.output


def test_a_night_of_facts_names_the_catalogues_that_were_used(call: Any, database_url: str) -> None:
    night = "2025-10-01"
    with engine.transaction(database_url) as connection:
        for number, version in ((1, "v1"), (2, "v2")):
            connection.execute(
                "INSERT INTO ingest_batch_facts (ingestid, night, asset, enrichment, version, inputs, rows, checksum)"
                " VALUES (%s, %s, 'context_matches', 'context', '1', %s, 5, 0)",
                (number, night, json.dumps({"catalogues:galaxies": version, "context_rules": "28e70642"})),
            )
        made = versions.Artefact(asset="context_matches", partition=night, data_version="d", code_version="1")
        versions.record(connection, [made])
    shown = call(f"context_matches:{night}").output
    assert "catalogues:galaxies v1, v2" in shown
    assert "context_rules 28e70642" in shown
    (found,) = json.loads(call(f"context_matches:{night}", "--json").output)
    assert found["computed_from"] == {"catalogues:galaxies": "v1, v2", "context_rules": "28e70642"}


def test_of_a_message_to_a_sink(call: Any, database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        add_sink(connection)
        queue(connection, [7])
    shown = call("--notification", "1")
    assert shown.exit_code == 0, shown.output
    assert "webhook https://ann.example/, plain" in shown.output
    assert json.loads(call("--notification", "1", "--json").output)["receipt"] == ["none yet"]
    assert call("--notification", "99").exit_code == 1
    assert call().exit_code == 2
