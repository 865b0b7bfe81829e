"""Light curves, features and hot transients: numbers of the contract, options, bad input."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest

pytestmark = [pytest.mark.database, pytest.mark.shared]


def curves(client: Any, path: str, **body: Any) -> list[dict[str, Any]]:
    answer = client.post(f"elasticc2/{path}", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "ok"
    found: list[dict[str, Any]] = answer.json()["diaobject"]
    return found


def lengths(found: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(one["objectid"], len(one["photometry"]["mjd"])) for one in found]


def test_the_numbers_of_the_contract(anna: Any) -> None:
    assert lengths(curves(anna, "ltcv", objectid=1552185)) == [(1552185, 32)]
    (one,) = curves(anna, "ltcv", objectids=[1552185], mjd_now=60279)
    assert list(one) == ["objectid", "ra", "dec", "zp", "photometry"]
    first = {name: values[0] for name, values in one["photometry"].items()}
    assert first == {"mjd": 60278.2469, "band": "z", "flux": 3201.2878, "fluxerr": 482.2891}
    assert len(one["photometry"]["mjd"]) == 6
    answer = anna.post("elasticc2/ltcv", json={"objectids": [1552185, 5], "mjd_now": 60282, "return_format": "2"})
    columns = answer.json()["diaobject"]
    assert columns["objectid"] == [1552185]
    assert len(columns["mjd"][0]) == 14
    several = [1731906, 1102362, 800290]
    assert lengths(curves(anna, "ltcv", objectid=several)) == [(800290, 77), (1102362, 102), (1731906, 122)]
    assert lengths(curves(anna, "ltcv", objectid=several, mjd_now=60420)) == [
        (800290, 16),
        (1102362, 88),
        (1731906, 109),
    ]
    hot = curves(anna, "gethottransients", detected_since_mjd=60660)
    assert [one["objectid"] for one in hot] == [
        15232, 416626, 1045654, 1263066, 1286131, 1684659, 1913410, 2110476,
    ]  # fmt: skip
    assert list(hot[0]) == ["objectid", "ra", "dec", "zp", "redshift", "sncode", "photometry"]


@pytest.mark.parametrize(
    ("body", "number", "expected"),
    [
        ({"objectid": 1552185, "includeltcv": 1}, 132,
         (8.2461, 5297.78, 21.815, 0.72156, 1029.27, 457.819, 3633.38, 700.00, 1044.94, 0.78030, -6.2854, 0.17150,
          11.6513)),
        ({"objectid": 1552185, "includeltcv": 1, "through_mjd": 60635}, 80,
         (2.4849, 5563, 23.99, 0.7974, 1893, 354.1, 3498, 847.4, 904.3, 0.6875, -9.410, 0.4125, 17.62)),
        ({"sourceid": 155218500031, "includeltcv": 1}, 32,
         (1.4864, 5421, 31.08, 0.8563, 2918, 42.91, 3352, 952.6, 707.4, 0.3125, -68.65, 5.007, 25.85)),
        ({"sourceid": 155218500016, "includeltcv": 1}, 17,
         (1.1623, 4540, 22.21, 0.8812, 3466, 8.815, 2644, 922.2, 473.0, 0.2941, -305.3, 33.18, 18.05)),
        ({"sourceid": 155218500016, "includeltcv": 1, "through_mjd": 60282}, 14,
         (0.8063, 3408, 14.74, 0.8364, 3828, 2.873, 2085, 508.3, 484.1, 0.2143, 35.25, 68.03, 15.96)),
    ],
)  # fmt: skip
def test_features(anna: Any, body: dict[str, Any], number: int, expected: tuple[float, ...]) -> None:
    found = anna.post("elasticc2/ltcvfeatures", json=body).json()
    series = found.pop("lightcurve")
    assert [len(series[name]) for name in ("mjd", "flux", "dflux")] == [number] * 3
    assert list(found.values()) == pytest.approx(expected, rel=1e-3)


def test_which_points(anna: Any) -> None:
    (detections,) = curves(anna, "ltcv", objectid=1552185, which="detections")
    (patch,) = curves(anna, "ltcv", objectid=1552185, which="patch")
    (forced,) = curves(anna, "ltcv", objectid=1552185)
    # Every detection of the simulation has forced photometry.
    assert patch == forced
    assert 0 < len(detections["photometry"]["mjd"]) < 32
    assert set(detections["photometry"]["flux"]) < set(forced["photometry"]["flux"])


def test_documented_names(anna: Any) -> None:
    (one,) = curves(anna, "ltcvs", objectid=1552185)
    assert (one["redshift"], one["sncode"]) == (-99, -99)
    assert curves(anna, "gethotsne", detected_since_mjd=60660) == curves(
        anna, "gethottransients", detected_since_mjd=60660
    )


def test_hot_transients_by_time(anna: Any) -> None:
    def found(**body: Any) -> list[int]:
        return [one["objectid"] for one in curves(anna, "gethottransients", **body)]

    assert curves(anna, "gethottransients") == []
    assert found(mjd_now=60675.5, detected_in_last_days=15.5) == found(detected_since_mjd=60660)
    assert found(mjd_now=60675.5) == found(detected_since_mjd=60645.5)
    # Detected then, not since; and nothing after that is given.
    (one, *_) = curves(anna, "gethottransients", detected_since_mjd=60278, mjd_now=60279)
    assert max(one["photometry"]["mjd"]) <= 60279
    bright = found(detected_since_mjd=60660, detected_by="forced")
    assert set(bright) <= set(found(detected_since_mjd=60660))
    assert bright


def test_arrow(anna: Any) -> None:
    headers = {"Accept": "application/vnd.apache.arrow.stream"}
    answer = anna.post("elasticc2/gethottransients", json={"detected_since_mjd": 60660}, headers=headers)
    assert answer.headers["content-type"] == headers["Accept"]
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert table.column_names == ["objectid", "mjd", "band", "flux", "fluxerr"]
    plain = curves(anna, "gethottransients", detected_since_mjd=60660)
    assert table.num_rows == sum(len(one["photometry"]["mjd"]) for one in plain)
    empty = anna.post("elasticc2/ltcv", json={"objectid": 5}, headers=headers)
    assert pa.ipc.open_stream(io.BytesIO(empty.content)).read_all().num_rows == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("ltcv", {"foo": 1, "objectid": 1}, 500, "Exception in LtcvsView: Unknown parameters: {'foo'}"),
        ("ltcv", {"objectid": "abc"}, 422, "Exception in LtcvsView: invalid literal for int() with base 10: 'abc'"),
        ("ltcv", {"objectid": 1, "return_format": 7}, 422, "Exception in LtcvsView: Unknown return_format 7"),
        ("ltcv", {"objectid": 1, "return_format": []}, 422, "Exception in LtcvsView: Unknown return_format []"),
        ("ltcv", {"objectid": 2**63}, 422, "Exception in LtcvsView: objectid does not fit 64 bits"),
        ("ltcv", {"objectid": {}}, 422, "Exception in LtcvsView: objectid must be an integer"),
        ("ltcv", {"objectid": 1, "mjd_now": "x"}, 422, "Exception in LtcvsView: mjd_now must be a number"),
        ("ltcv", {"objectid": 1, "which": "all"}, 422,
         "Exception in LtcvsView: which must be one of forced, detections, patch"),
        ("ltcv", [1], 422, "Exception in LtcvsView: the body must be a JSON object"),
        ("gethottransients", {"detected_since_mjd": 1, "detected_in_last_days": 1}, 422,
         "Error, only give one of detected_since_mjd or detected_in_last_days"),
        ("gethottransients", {"cheat_gentypes": ["x"]}, 422,
         "Exception in GetHotSNeView: invalid literal for int() with base 10: 'x'"),
        ("gethottransients", {"detected_since_mjd": True}, 422,
         "Exception in GetHotSNeView: detected_since_mjd must be a finite number"),
        ("ltcvfeatures", {"objectid": 1, "features": ["x"]}, 422,
         "Exception in LtcvFeatures: Passing feature list not yet implemented"),
        ("ltcvfeatures", {"sourceid": 1}, 422,
         "Exception in LtcvFeatures: time-series' length 0 is smaller than the minimum required length 4"),
    ],
)  # fmt: skip
def test_mistakes_are_named(anna: Any, path: str, body: Any, status: int, said: str) -> None:
    answer = anna.post(f"elasticc2/{path}", json=body)
    assert (answer.status_code, answer.text) == (status, said)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    as_json = anna.post(f"elasticc2/{path}", json=body, headers={"Accept": "application/json"})
    assert as_json.json() == {"status": "error", "error": said}


def test_an_identifier_that_is_null_is_none(anna: Any) -> None:
    assert curves(anna, "ltcv", objectid=None) == []
    # A GET with a body works too.
    assert len(anna.get("elasticc2/ltcv", json={"objectid": 1552185}).json()["diaobject"]) == 1
