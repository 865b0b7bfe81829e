"""ZTF packets against formulas applied to what fastavro reads, field by field."""

import io
import math
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from astropy import units
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.database.point_identity import PointKind, identities
from broker_assets.lightcurves.chart.rows import utc_text
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.designations import designation
from broker_assets.packets.identifiers import ztf_object_id
from broker_assets.packets.points import Points
from broker_assets.packets.registry import SchemaFolder
from broker_assets.packets.surveys.ztf import magnitude_to_flux

pytestmark = pytest.mark.shared


def mjd_tai(jd):
    """Middle of an exposure of 30 s that begins then."""
    return (Time(jd, format="jd", scale="utc") + 15 * units.s).tai.mjd


def njy(magnitude):
    return 10 ** (0.4 * (31.4 - magnitude))


@pytest.fixture(scope="module")
def messages(alerts):
    return [path.read_bytes() for path in sorted((alerts / "ztf").glob("*.avro"))]


@pytest.fixture(scope="module")
def records(messages):
    return [next(fastavro.reader(io.BytesIO(message))) for message in messages]


@pytest.fixture(scope="module")
def decoded(messages):
    decoder = AlertDecoder("ztf", "container")
    tables = decoder.decode(decoder.identify(messages))
    assert tables.failures == []
    assert decoder.unknown_fields == {}
    return tables


def test_one_instant_has_one_time_in_both_surveys(messages, records, packets, tmp_path):
    """Rubin gives the middle of an exposure in TAI, ZTF its start in UTC."""
    ztf = AlertDecoder("ztf", "container").identify(messages[:1]).midpointmjdtai[0]
    candidate = records[0]["candidate"]
    assert candidate["exptime"] == 30
    middle = Time(candidate["jd"], format="jd", scale="utc") + candidate["exptime"] / 2 * units.s
    rubin = AlertDecoder("rubin", "confluent", SchemaFolder(packets.write_schema_folder(tmp_path)), topic="alerts")
    alert = packets.alert(7, [(0, middle.tai.mjd)])
    assert abs(rubin.identify([packets.encode(alert)]).midpointmjdtai[0] - ztf) * 86_400 < 0.001
    assert utc_text(ztf) == middle.utc.strftime("%Y-%m-%d %H:%M:%S")


def by_packet(table, trigger=None):
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        if trigger is None or row["trigger"] is trigger:
            rows.setdefault(row["packet"], []).append(row)
    return rows


def check_source(row, name, candidate):
    sign = 1 if candidate["isdiffpos"] in ("t", "1") else -1
    assert row["diasourceid"] == candidate["candid"]
    assert row["diaobjectid"] == ztf_object_id([name])[0]
    assert row["midpointmjdtai"] == pytest.approx(mjd_tai(candidate["jd"]), abs=1e-11)
    assert row["band"] == " gri"[candidate["fid"]]
    assert (row["ra"], row["decl"]) == (candidate["ra"], candidate["dec"])
    assert row["visit"] == candidate["pid"]
    assert row["isnegative"] is (sign < 0)
    assert row["psfflux"] == pytest.approx(sign * njy(candidate["magpsf"]), rel=1e-6)
    assert row["psffluxerr"] == pytest.approx(
        njy(candidate["magpsf"]) * math.log(10) / 2.5 * candidate["sigmapsf"], rel=1e-6
    )
    assert row["apflux"] == pytest.approx(sign * njy(candidate["magap"]), rel=1e-6)
    assert (row["x"], row["y"], row["snr"]) == (
        candidate["xpos"],
        candidate["ypos"],
        None if candidate["scorr"] is None else np.float32(candidate["scorr"]),
    )


def test_triggers(decoded, records):
    rows = by_packet(decoded.source, True)
    for packet, record in enumerate(records):
        (row,) = rows[packet]
        candidate = record["candidate"]
        check_source(row, record["objectId"], candidate)
        deep = candidate["drb"] is not None and candidate["drbversion"] != ""
        assert row["reliability"] == (candidate["drb"] if deep else candidate["rb"])
        assert row["reliabilityversion"] == (candidate["drbversion"] if deep else candidate["rbversion"])
        assert row["exposuretime"] == (candidate["exptime"] or None)


def test_histories(decoded, records):
    previous, limits = by_packet(decoded.source, False), by_packet(decoded.nondetection)
    for packet, record in enumerate(records):
        history = record["prv_candidates"] or []
        detections = [item for item in history if item["candid"] is not None]
        others = [item for item in history if item["candid"] is None]
        assert len(detections) == len(previous.get(packet, []))
        assert len(others) == len(limits.get(packet, []))
        for row, item in zip(previous.get(packet, []), detections, strict=True):
            check_source(row, record["objectId"], item)
            assert row["reliability"] == item["rb"]
        for row, item in zip(limits.get(packet, []), others, strict=True):
            assert row["midpointmjdtai"] == pytest.approx(mjd_tai(item["jd"]), abs=1e-11)
            assert row["band"] == " gri"[item["fid"]]
            assert row["dianoise"] == pytest.approx(njy(item["diffmaglim"]), rel=1e-6)


def test_forced_photometry(decoded, records):
    forced = by_packet(decoded.forced_source)
    nulls = 0
    for packet, record in enumerate(records):
        points = record.get("fp_hists") or []
        assert len(points) == len(forced.get(packet, []))
        for row, item in zip(forced.get(packet, []), points, strict=True):
            assert row["midpointmjdtai"] == pytest.approx(mjd_tai(item["jd"]), abs=1e-11)
            assert (row["ra"], row["decl"]) == (record["candidate"]["ra"], record["candidate"]["dec"])
            if item["forcediffimflux"] == -99999:
                nulls += 1
                assert row["psfflux"] is None
                assert row["psffluxerr"] is None
            else:
                scale = njy(item["magzpsci"])
                assert row["psfflux"] == pytest.approx(item["forcediffimflux"] * scale, rel=1e-6)
                assert row["psffluxerr"] == pytest.approx(item["forcediffimfluxunc"] * scale, rel=1e-6)
    assert nulls > 100


def test_objects_and_cutouts(decoded, records):
    objects, cutouts = by_packet(decoded.object), by_packet(decoded.cutout)
    for packet, record in enumerate(records):
        (row,) = objects[packet]
        assert row["diaobjectid"] == ztf_object_id([record["objectId"]])[0]
        assert row["ndiasources"] == record["candidate"]["ndethist"]
        assert row["firstdiasourcemjdtai"] == pytest.approx(mjd_tai(record["candidate"]["jdstarthist"]), abs=1e-11)
        assert row["lastdiasourcemjdtai"] == pytest.approx(mjd_tai(record["candidate"]["jd"]), abs=1e-11)
        assert {item["kind"]: item["length"] for item in cutouts[packet]} == {
            kind: len(record[f"cutout{kind.capitalize()}"]["stampData"])
            for kind in ("science", "template", "difference")
        }


def test_a_point_has_one_identifier_whichever_packet_brings_it(decoded):
    seen: dict[tuple[Any, ...], Any] = {}
    for row in decoded.forced_source.to_pylist():
        key = (row["diaobjectid"], row["midpointmjdtai"], row["visit"])
        assert seen.setdefault(key, row["diaforcedsourceid"]) == row["diaforcedsourceid"]
    assert len(set(seen.values())) == len(seen)


def test_identities_before_and_after_decoding_agree(messages, decoded):
    """Points are compared by what the first pass reads and stored with what the second one makes of them."""
    points = Points.concatenated(list(AlertDecoder("ztf", "container").identify(messages).points.values()))
    names = {PointKind.SOURCE: "source", PointKind.FORCED: "forced_source", PointKind.LIMIT: "nondetection"}
    for kind, name in names.items():
        made = getattr(decoded, name)
        if kind is PointKind.SOURCE:
            made = made.filter(pc.invert(made["trigger"]))
        expected = zip(
            made["packet"].to_pylist(),
            made["diaobjectid"].to_pylist(),
            made["midpointmjdtai"].to_pylist(),
            identities(kind, made).tolist(),
            strict=True,
        )
        part = points.take(points.kind == kind)
        arrays = (part.packet, part.diaobjectid, part.midpointmjdtai, part.identity)
        assert len(part)
        assert sorted(zip(*(array.tolist() for array in arrays), strict=True)) == sorted(expected)


def test_only_chosen_points_are_decoded(messages, decoded):
    decoder = AlertDecoder("ztf", "container")
    identified = decoder.identify(messages)
    every = {path: part.midpointmjdtai for path, part in identified.points.items()}
    middle = np.median(np.concatenate(list(every.values())))
    tables = decoder.decode(identified, wanted={path: times > middle for path, times in every.items()})
    for name in ("source", "nondetection", "forced_source"):
        expected = [
            row for row in getattr(decoded, name).to_pylist() if row.get("trigger") or row["midpointmjdtai"] > middle
        ]
        assert getattr(tables, name).to_pylist() == expected, name
    assert tables.source.num_rows < decoded.source.num_rows


@given(st.floats(5, 30), st.floats(0.001, 1), st.booleans())
def test_magnitudes_and_fluxes(magnitude, error, positive):
    sign = np.array([1.0 if positive else -1.0])
    flux, flux_error = magnitude_to_flux(pa.array([magnitude]), pa.array([error]), sign, np.array([True]))
    value, deviation = flux[0].as_py(), flux_error[0].as_py()
    assert (value > 0) is positive
    assert 31.4 - 2.5 * math.log10(abs(value)) == pytest.approx(magnitude, abs=1e-6)
    assert deviation / abs(value) == pytest.approx(error * 0.4 * math.log(10), rel=1e-6)


def test_no_magnitude_no_sign_no_flux():
    flux, error = magnitude_to_flux(
        pa.array([None, 20.0, math.nan]), pa.array([0.1, 0.1, 0.1]), np.ones(3), np.array([True, False, True])
    )
    assert flux.is_null().to_pylist() == [True, True, False]
    assert math.isnan(flux[2].as_py())
    assert error.is_null().to_pylist() == [True, False, False]


def test_the_nearest_known_object_is_kept(decoded, records):
    """Simulated and real packets write "null" and negative distances where there is none."""
    expected = {
        record["candid"]: (record["candidate"]["ssnamenr"], record["candidate"]["ssdistnr"])
        for record in records
        if record["candidate"].get("ssnamenr") not in (None, "null")
    }
    found = {row["diasourceid"]: row for row in decoded.solar_system_source.to_pylist()}
    assert found.keys() == expected.keys()
    for number, (name, distance) in expected.items():
        assert designation(name).unpacked == found[number]["designation"]
        assert designation(name).identifier == found[number]["ssobjectid"]
        assert found[number]["ephoffset"] == np.float32(distance)
        assert found[number]["survey"] == 2
