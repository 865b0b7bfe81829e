"""`broker-assets features` on alerts as JSON and on packets of every framing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import alert_packets
import numpy as np
import pytest
from astropy.io import fits
from feature_formulas import features as plain
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.lightcurves.dust import read_dust_map

UNDETERMINED = {("utility/features/plasticc/4595.json", name) for name in ("BBBFallRate", "BBBPeakMJD")}
"""See `lightcurves/test_features.py`."""
SOURCE = {"midpointMjdTai": 61000.0, "band": "g", "psfFlux": 5.0}


def run(*arguments: Any, code: int = 0, **options: Any) -> tuple[list[dict[str, Any]], str]:
    """Documents and messages of a run."""
    result = CliRunner().invoke(app, ["features", *map(str, arguments)], **options)
    assert result.exit_code == code, result.output
    return [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def close(one: Any, other: Any, tolerance: float) -> bool:
    """Equal, numbers within a relative tolerance."""
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=tolerance)
    return bool(one == other)


@pytest.mark.shared
def test_documents_of_the_golden_alerts(shared_folder: Path, tmp_path: Path) -> None:
    """Lasair's values, or those of the formulas where they differ on purpose."""
    cases = json.loads((shared_folder / "golden/lasair/features.json").read_text())["cases"]
    schema = json.loads((shared_folder / "data/lasair/derived/schema_11_1.json").read_text())
    names = {column["name"] for column in schema["sql"]["objects"]["columns"]} - {"timestamp"}
    files = []
    for number, case in enumerate(cases):
        case["alert"]["diaObject"]["diaObjectId"] = number
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(case["alert"]))
    documents, _ = run(*files)
    assert [document["diaObjectId"] for document in documents] == list(range(len(cases)))
    for case, document in zip(cases, documents, strict=True):
        assert set(document) == names
        formulas = plain(case["alert"])
        for name, value in case["features"].items():
            tolerance = 1e-3 if name.startswith("BBB") else 1e-6
            if (case["source"], name) in UNDETERMINED:
                tolerance = 1e-2
            same = close(document[name], value, tolerance)
            assert same or close(document[name], formulas[name.lower()], tolerance), (case["source"], name)


def test_alerts_in_lists_lines_and_on_standard_input(tmp_path: Path) -> None:
    alerts = [
        {"diaObject": {"diaObjectId": number, "ra": 10.0, "dec": 5.0}, "diaSourcesList": [SOURCE]} for number in (1, 2)
    ]
    expected = [1, 2]
    (tmp_path / "list.json").write_text(json.dumps(alerts))
    (tmp_path / "lines").write_text("\n".join(map(json.dumps, alerts)) + "\n")
    for document in run(tmp_path / "list.json")[0]:
        assert document["ebv"] == pytest.approx(read_dust_map().ebv([10.0], [5.0])[0])
        assert (document["decl"], document["g_psfFlux"], document["tns_name"]) == (5.0, 5.0, None)
        assert document["htm16"] > 0
    assert [document["diaObjectId"] for document in run(tmp_path / "lines")[0]] == expected
    assert [document["diaObjectId"] for document in run("-", input=json.dumps(alerts))[0]] == expected
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le"):
        documents, _ = run("-", input=json.dumps(alerts).encode(encoding))
        assert [document["diaObjectId"] for document in documents] == expected


def test_the_newest_alert_of_an_object_counts(tmp_path: Path) -> None:
    older = {"diaObject": {"diaObjectId": 1}, "diaSourcesList": [SOURCE]}
    newer = {"diaObject": {"diaObjectId": 1}, "diaSourcesList": [SOURCE, SOURCE | {"midpointMjdTai": 61001.0}]}
    for order in ([older, newer], [newer, older]):
        (tmp_path / "alerts.json").write_text(json.dumps(order))
        [document] = run(tmp_path / "alerts.json")[0]
        assert document["ngSources"] == 2


def test_what_is_no_alert_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    for name, content in (("bad.json", "{"), ("other.json", '{"a": 1}'), ("noise", "no packet"), ("good.json", "")):
        (tmp_path / name).write_text(content or json.dumps({"diaObject": {}, "diaSourcesList": [SOURCE]}))
    documents, errors = run(*(tmp_path / name for name in ("bad.json", "other.json", "noise", "good.json")), code=1)
    assert len(documents) == 1
    for name in ("bad.json", "other.json: alert 1 has no list diaSourcesList", "noise"):
        assert name in errors
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert "deep.json: too many nested values" in run(tmp_path / "deep.json", code=1)[1]
    assert run("-", input="no packet", code=1)[1].startswith("-, record 0: ")


def test_a_position_that_is_not_known_has_no_trixel(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"diaObject": {"diaObjectId": 7}, "diaSourcesList": [SOURCE]}))
    [document] = run(tmp_path / "a.json")[0]
    assert (document["htm16"], document["glat"]) == (None, None)


def test_packets_of_the_stream(tmp_path: Path) -> None:
    visits = [(number, 61000.2 + number) for number in range(7)]
    for last in (5, 7):
        packet = alert_packets.encode(alert_packets.alert(7, visits[:last]))
        (tmp_path / f"{last}.avro").write_bytes(packet)
    schemas = alert_packets.write_schema_folder(tmp_path / "schemas")
    packet = (tmp_path / "7.avro").read_bytes()
    assert run("-", "--schema", schemas, input=packet)[0] == run(tmp_path / "7.avro", "--schema", schemas)[0]
    [document] = run(tmp_path / "7.avro", tmp_path / "5.avro", "--schema", schemas)[0]
    assert document["diaObjectId"] == 7
    assert document["nDiaSources"] == 7
    assert sum(document[f"n{band}Sources"] for band in "ugrizy") == 7
    assert document["lastDiaSourceMjdTai"] == visits[-1][1]


@pytest.mark.shared
@pytest.mark.parametrize("survey", ["ztf", "elasticc"])
def test_real_packets_of_other_surveys(shared_folder: Path, survey: str) -> None:
    documents, _ = run(shared_folder / "data" / "alerts" / survey)
    assert len(documents) > 5
    assert len({document["diaObjectId"] for document in documents}) == len(documents)
    assert all(document["latest_psfFlux"] is not None for document in documents)


def test_another_dust_map(tmp_path: Path) -> None:
    (tmp_path / "alert.json").write_text(json.dumps({"diaObject": {"ra": 1, "dec": 2}, "diaSourcesList": [SOURCE]}))
    table = fits.BinTableHDU.from_columns([fits.Column("EBV", "E", array=np.full(12, 0.5))])
    table.header["ORDERING"] = "NESTED"
    table.writeto(tmp_path / "map.fits")
    for scale, expected in (((), 0.5), (("--dust-scale", "1.163"), 0.5815)):
        [document] = run(tmp_path / "alert.json", "--dust", tmp_path / "map.fits", *scale)[0]
        assert document["ebv"] == pytest.approx(expected)
    assert CliRunner().invoke(app, ["features", str(tmp_path / "alert.json"), "--dust-scale", "2"]).exit_code == 2
    assert "nowhere.fits" in run(tmp_path / "alert.json", "--dust", "nowhere.fits", code=1)[1]


def test_statistics_of_alerts_and_packets(tmp_path: Path) -> None:
    points = [SOURCE | {"midpointMjdTai": 61000.0 + day, "psfFlux": 5.0 * day} for day in (0, 1, 3)]
    alert = {"diaObject": {"diaObjectId": 1}, "diaSourcesList": points}
    (tmp_path / "alert.json").write_text(json.dumps(alert))
    packet = alert_packets.encode(alert_packets.alert(7, [(number, 61000.2 + number) for number in range(7)]))
    (tmp_path / "7.avro").write_bytes(packet)
    schemas = alert_packets.write_schema_folder(tmp_path / "schemas")
    one, other = run("--statistics", tmp_path / "alert.json", tmp_path / "7.avro", "--schema", schemas)[0]
    assert (one["diaObjectId"], one["g"]["amplitude"], one["all"]["nPoints"]) == (1, 7.5, 3)
    assert (other["diaObjectId"], other["all"]["nDetections"]) == (7, 7)
    assert "alert 1 has no list" in run("--statistics", "-", input="{}", code=1)[1]
