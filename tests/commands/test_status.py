"""`broker-assets why` of product files and assets; that of a source is tested with the stream."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest
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


def test_status_table_fits_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from broker_assets.commands import status as command
    from broker_assets.monitoring.status import Partition, Service, Status, Stream

    monkeypatch.setenv("COLUMNS", "80")
    from datetime import UTC, datetime

    stream = Stream(
        topic="a-rather-long-topic-name-of-a-survey",
        survey="rubin",
        lag=10**9,
        partitions=[Partition(partition=17, position=10**10, end=10**10 + 10**9, lag=10**9)],
    )
    service = Service(name="code-server", state="running", address="http://127.0.0.1:4000/" + "x" * 90, pid=123456)
    command._show(Status(at=datetime.now(UTC), services=[service], streams=[stream]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("10,000,000,000" in line for line in lines)
