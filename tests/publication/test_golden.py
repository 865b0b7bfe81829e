"""The decisions of the original, but for those that it takes wrongly (docs/publishing.md lists them)."""

from __future__ import annotations

import datetime
import io
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from astropy.io import fits

from broker_assets.database.engine import connect
from broker_assets.publication.questions import entries, held, receipts, supplement_report
from broker_assets.publication.report import Report
from broker_assets.publication.run import publish
from broker_assets.publication.selection import Rules, files_below, read_blacklist
from broker_assets.publication.targets import Target, sha256_of
from broker_assets.telemetry.inputs.requests import RequestTable

pytestmark = [pytest.mark.shared, pytest.mark.database]

STATUS = {10: "published", 11: "ignored", 12: "supplement", 13: "blacklisted", 14: "error", None: None}
# The original writes these results to other rows than those of the file, or none at all.
DECIDED_OTHERWISE = {
    "solo_L1_stix-sci-xray-cpd_20201122T032220-20201122T032244_V02_0093579328-50002.fits": "published",
    "solo_L1_stix-sci-xray-cpd_20201122T032220-20201122T032244_V02_1166351952-50003.fits": "ignored",
    "solo_L1_stix-sci-xray-cpd_20201122T032220-20201122T032244_V02_1234567893-50006.fits": "error",
    "solo_L1_stix-sci-xray-cpd_20201122T032220-20201122T032244_V02_1234567894-50007.fits": "blacklisted",
}


def unpublished(source: Path, to: Path) -> None:
    """The archive as it was before the original published it: names with U, without the cards that it added."""
    for path in source.rglob("*.fits"):
        name = path.name.replace("_V02.fits", "_V02U.fits") if "/LB/" not in str(path) else path.name
        target = to / path.relative_to(source).with_name(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with fits.open(path) as parts, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = parts[0].header
            for keyword in ("HISTORY", "COMMENT"):
                kept = [text for text in header.get(keyword, []) if "Processed by" in text or "Time and count" in text]
                header.remove(keyword, ignore_missing=True, remove_all=True)
                for text in kept:
                    header[keyword] = text
            parts.writeto(target, checksum=True)


@pytest.fixture(scope="module")
def golden(shared_folder: Path) -> Path:
    return shared_folder / "golden" / "stix" / "products" / "PUB"


@pytest.fixture(scope="module")
def published(
    golden: Path, shared_folder: Path, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Report, Report, Path, psycopg.Connection[Any]]:
    """Two runs over the archive of the original."""
    folder = tmp_path_factory.mktemp("golden")
    archive, esa, conflicts = folder / "fits", folder / "esa", folder / "conflicts"
    esa.mkdir()
    unpublished(golden / "fits", archive)
    before = {path: sha256_of(path) for path in archive.rglob("*.fits")}
    table = RequestTable.read(shared_folder / "data" / "stix" / "run_inputs" / "rid_lut.csv")
    rules = replace(Rules(), waiting=datetime.timedelta(0), blacklist=read_blacklist(golden / "black.txt"))
    connection = connect(module_database_url)
    reports = [
        publish(
            connection,
            files_below(archive),
            Target("ESA SOAR", str(esa)),
            rules,
            reason=table.reason,
            refresh=lambda header: [("SPICE_MK", "the newest", "SPICE meta kernel file")],
            conflicts=Target("conflicts", str(conflicts), create=True),
        )
        for _ in range(2)
    ]
    assert {path: sha256_of(path) for path in archive.rglob("*.fits")} == before
    return reports[0], reports[1], folder, connection


def test_every_file_is_decided_as_the_original_does(golden: Path, published: Any) -> None:
    first, _, _, connection = published
    found = {entry.name: entry for entry in entries(connection)}
    rows = json.loads((golden / "run1.json").read_text())["db"]
    assert set(found) == {row["name"] for row in rows}
    for row in rows:
        entry = found[row["name"]]
        assert entry.status == DECIDED_OTHERWISE.get(row["name"], STATUS[row["result"]]), row["name"]
        assert entry.archive_name == row["esaname"] + ".fits"
        assert entry.version == row["version"]
        if row["modified_esaname"]:
            request = entry.name.rpartition("_V02")[2]
            assert entry.delivered_name == row["modified_esaname"].removesuffix(".fits") + request
    assert first.counts == {"blacklisted": 1, "error": 1, "ignored": 1, "published": 7, "supplement": 2}


def test_the_second_run_does_nothing(golden: Path, published: Any) -> None:
    assert json.loads((golden / "run2.json").read_text())["result"] == {}
    _, second, _, connection = published
    assert second.outcomes == []
    assert len(second.unchanged) == 12
    assert len(receipts(connection)) == 9


def test_targets_hold_the_same_files(golden: Path, published: Any) -> None:
    _, _, folder, connection = published
    expected = json.loads((golden / "run1.json").read_text())
    assert sorted(path.name for path in (folder / "esa").iterdir()) == expected["esa"]
    assert sorted(path.name for path in (folder / "conflicts").iterdir()) == expected["conflicts"]
    for receipt in receipts(connection):
        assert sha256_of(folder / "esa" / receipt.name) == receipt.sha256
    assert [entry.name for entry in held(connection)] == expected["conflicts"]


def test_the_report_of_supplements(golden: Path, published: Any) -> None:
    found = supplement_report(published[3], "ESA SOAR")
    expected = (golden / "supplement.csv").read_text()
    # The request table leaves out empty fields, where the original writes N/A.
    assert found == expected.replace("synthetic purpose, N/A", "synthetic purpose").replace("N/A, N/A, ", "")


def test_headers_of_delivered_files(golden: Path, published: Any) -> None:
    _, _, folder, _ = published
    headers = json.loads((golden / "run1.json").read_text())["headers"]
    assert len(headers) == 9
    for name, expected in headers.items():
        data = (folder / "esa" / name).read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parts = fits.open(io.BytesIO(data), checksum=True)
            parts.verify("exception")
            header = parts[0].header
        # The original leaves U in FILENAME of level L0.
        assert header["FILENAME"] == expected["FILENAME"].replace("V02U", "V02") == name
        history = "".join(f"{text:<72}" for text in header["HISTORY"])
        assert f"published to ESA SOAR as '{name}' on " in history
        refreshed = any("updated ephemeris" in text for text in expected["HISTORY"])
        assert ("updated ephemeris header with latest kernel at " in history) == refreshed
        assert (header.get("SPICE_MK") == "the newest") == refreshed
        kept = [text for text in expected["HISTORY"] if text.startswith("Processed")]
        assert list(header["HISTORY"])[: len(kept)] == kept
        comment = "".join(f"{text:<72}" for text in header.get("COMMENT", []))
        wanted = "".join(f"{text:<72}" for text in expected["COMMENT"])
        for empty in ("N/A, N/A, ", "N/A, ", ", N/A"):
            wanted = wanted.replace(empty, "")
        assert " ".join(comment.split()) == " ".join(wanted.split())


def test_tables_of_delivered_files_are_those_of_ours(golden: Path, published: Any) -> None:
    paths = list((published[2] / "esa").iterdir())
    assert len(paths) == 9
    for path in paths:
        delivered, source = fits.open(path), fits.open(golden / "esa" / path.name)
        assert [part.name for part in delivered] == [part.name for part in source]
        difference = fits.HDUDiff(delivered["DATA"], source["DATA"], ignore_keywords=["*"])
        assert difference.identical, difference.report()
