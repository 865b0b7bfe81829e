"""Simulated surveys: every schema version, consistent histories and statistics, the same for the same arguments."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import Any

import fastavro
import numpy as np
import pytest

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.nights import night_of
from broker_assets.packets.registry import schema_source
from broker_assets.simulation import SimulatedAlert, Survey, schemas

pytest.importorskip("fastavro")
SMALL: dict[str, Any] = {"objects": 400, "nights": 2, "history": 12, "cutouts": "none"}


def versions() -> list[str]:
    """Versions to test; none where the schemas are not installed."""
    try:
        return list(schemas.versions())
    except schemas.SchemasNotInstalled:
        return []


def read(alert: SimulatedAlert, version: str = "11.1") -> dict[str, Any]:
    """The packet as fastavro reads it, to the last byte."""
    assert int.from_bytes(alert.payload[1:5], "big") == schemas.schema_id(version)
    stream = io.BytesIO(alert.payload[5:])
    record: Any = fastavro.schemaless_reader(stream, schemas.load(version), None)
    assert stream.read() == b""
    return record


@pytest.fixture(scope="module")
def packets() -> list[tuple[SimulatedAlert, dict[str, Any]]]:
    """A survey with half a month of history."""
    if not versions():
        pytest.skip("lsst-alert-packet is not installed")
    return [
        (alert, read(alert)) for alert in Survey(seed=5, objects=1500, nights=2, history=15, cutouts="none").alerts()
    ]


@pytest.mark.parametrize("version", versions())
def test_every_schema_version_is_read_by_fastavro_and_by_our_decoder(version: str) -> None:
    alerts = list(Survey(schema=version, **SMALL).alerts())
    assert len(alerts) > 30
    records = [read(alert, version) for alert in alerts]
    decoder = AlertDecoder("rubin", "confluent", schema_source())
    identified = decoder.identify([alert.payload for alert in alerts])
    tables = decoder.decode(identified)
    assert identified.failures == tables.failures == []
    assert decoder.unknown_fields == {}
    assert identified.diasourceid.tolist() == [alert.diasourceid for alert in alerts]
    assert identified.diaobjectid.tolist() == [alert.diaobjectid for alert in alerts]
    assert identified.night.astype(str).tolist() == [alert.night for alert in alerts]
    histories = sum(len(record["prvDiaSources"] or ()) for record in records)
    assert tables.source.num_rows == len(alerts) + histories
    assert tables.forced_source.num_rows == sum(len(record["prvDiaForcedSources"] or ()) for record in records)


def test_the_same_arguments_give_the_same_packets() -> None:
    once, again = (list(Survey(seed=9, **SMALL).alerts()) for _ in range(2))
    assert once == again
    other = list(Survey(seed=10, **SMALL).alerts())
    assert not {alert.diasourceid for alert in once} & {alert.diasourceid for alert in other}


def test_a_longer_past_goes_on_as_the_shorter_one_began() -> None:
    first = list(Survey(objects=300, nights=4, first_night="2026-03-01", cutouts="none").alerts())
    later = list(Survey(objects=300, nights=2, first_night="2026-03-03", history=2, cutouts="none").alerts())
    assert [alert for alert in first if alert.night >= "2026-03-03"] == later


def test_a_survey_is_observed_once() -> None:
    survey = Survey(**SMALL)
    list(survey.alerts())
    with pytest.raises(RuntimeError, match="create a new one"):
        next(survey.alerts())


def test_alerts_come_in_order_and_in_their_night(packets: list[tuple[SimulatedAlert, dict[str, Any]]]) -> None:
    times = np.array([alert.midpointmjdtai for alert, _ in packets])
    assert (np.diff(times) >= 0).all()
    assert night_of(times, "rubin").astype(str).tolist() == [alert.night for alert, _ in packets]
    assert len({alert.diasourceid for alert, _ in packets}) == len(packets)


def test_histories_are_earlier_and_not_older_than_a_year(packets: list[tuple[SimulatedAlert, dict[str, Any]]]) -> None:
    longest = 0
    for alert, record in packets:
        for name in ("prvDiaSources", "prvDiaForcedSources"):
            points = record[name] or []
            longest = max(longest, len(points))
            times = [point["midpointMjdTai"] for point in points]
            assert times == sorted(times)
            assert all(alert.midpointmjdtai - 365 <= time < alert.midpointmjdtai for time in times)
            assert all(point["diaObjectId"] == alert.diaobjectid for point in points)
    assert longest > 5


def test_a_history_is_what_was_sent_before(packets: list[tuple[SimulatedAlert, dict[str, Any]]]) -> None:
    sent: dict[int, dict[int, Any]] = defaultdict(dict)
    repeated = 0
    for alert, record in packets:
        for source in record["prvDiaSources"] or []:
            if source["diaSourceId"] in sent[alert.diaobjectid]:
                assert str(sent[alert.diaobjectid][source["diaSourceId"]]) == str(source)
                repeated += 1
        sent[alert.diaobjectid][alert.diasourceid] = record["diaSource"]
    assert repeated > 20


def test_statistics_of_objects_agree_with_their_histories(packets: list[tuple[SimulatedAlert, dict[str, Any]]]) -> None:
    checked = 0
    for _, record in packets:
        stationary = record["diaObject"]
        if stationary is None:
            continue
        sources = [*(record["prvDiaSources"] or []), record["diaSource"]]
        assert stationary["nDiaSources"] == len(sources)
        assert stationary["firstDiaSourceMjdTai"] == sources[0]["midpointMjdTai"]
        assert stationary["lastDiaSourceMjdTai"] == sources[-1]["midpointMjdTai"]
        for band in "ugrizy":
            flux, error = (
                np.array([source[name] for source in sources if source["band"] == band])
                for name in ("psfFlux", "psfFluxErr")
            )
            assert stationary[f"{band}_psfFluxNdata"] == len(flux)
            if not len(flux):
                assert np.isnan(stationary[f"{band}_psfFluxMean"])
                continue
            checked += 1
            expected = np.average(flux, weights=error**-2.0)
            scale = np.abs(flux).max()
            assert stationary[f"{band}_psfFluxMean"] == pytest.approx(expected, rel=1e-4, abs=1e-4 * scale)
            assert stationary[f"{band}_psfFluxMeanErr"] == pytest.approx(np.sum(error**-2.0) ** -0.5, rel=1e-4)
            assert stationary[f"{band}_psfFluxMin"] == pytest.approx(flux.min())
            assert stationary[f"{band}_psfFluxMax"] == pytest.approx(flux.max())
            if len(flux) > 1:
                deviation = np.std(flux, ddof=1)
                assert stationary[f"{band}_psfFluxSigma"] == pytest.approx(deviation, rel=1e-3, abs=1e-4 * scale)
        forced = [point for point in record["prvDiaForcedSources"] or [] if point["band"] == "r"]
        if forced:
            flux, error = (np.array([point[name] for point in forced]) for name in ("psfFlux", "psfFluxErr"))
            expected = np.average(flux, weights=error**-2.0)
            assert stationary["r_fpFluxMean"] == pytest.approx(expected, rel=1e-4, abs=1e-4 * np.abs(flux).max())
    assert checked > 100


def test_detections_are_above_five_sigma_and_within_the_footprint(
    packets: list[tuple[SimulatedAlert, dict[str, Any]]],
) -> None:
    negative = 0
    for _, record in packets:
        source = record["diaSource"]
        assert abs(source["psfFlux"]) / source["psfFluxErr"] >= 4.999
        assert source["isNegative"] == (source["psfFlux"] < 0)
        negative += source["isNegative"]
        assert 0 <= source["ra"] < 360
        assert -75 < source["dec"] < 15
    assert negative > 10


def test_asteroids_have_no_object_and_a_consistent_orbit(packets: list[tuple[SimulatedAlert, dict[str, Any]]]) -> None:
    moving = [(alert, record) for alert, record in packets if record["ssSource"] is not None]
    assert moving
    for alert, record in moving:
        assert record["diaObject"] is None
        assert alert.diaobjectid == 0
        assert alert.key == str(record["diaSource"]["ssObjectId"]).encode()
        position = record["ssSource"]
        assert position["ssObjectId"] == record["diaSource"]["ssObjectId"]
        assert position["ephDec"] == pytest.approx(record["diaSource"]["dec"], abs=1e-3)
        orbit = record["mpc_orbits"]
        assert orbit["q"] == pytest.approx(orbit["a"] * (1 - orbit["e"]))
        assert np.linalg.norm([position[f"helio_{axis}"] for axis in "xyz"]) == pytest.approx(
            position["helioRange"], rel=1e-5
        )


def test_artefacts_are_there_and_look_unreliable(packets: list[tuple[SimulatedAlert, dict[str, Any]]]) -> None:
    dipoles = [record for _, record in packets if record["diaSource"]["isDipole"]]
    assert dipoles
    assert np.mean([record["diaSource"]["reliability"] for record in dipoles]) < 0.3
    ordinary = [record for _, record in packets if len(record["prvDiaSources"] or []) > 4]
    assert np.mean([record["diaSource"]["reliability"] for record in ordinary]) > 0.6


def test_truth_names_the_objects_of_the_alerts() -> None:
    survey = Survey(**SMALL)
    alerts = list(survey.alerts())
    truth = survey.truth()
    assert truth.num_rows == 400
    known = set(truth["diaobjectid"].drop_null().to_pylist())
    with_history = {alert.diaobjectid for alert in alerts if read(alert)["prvDiaSources"]}
    assert with_history
    assert with_history <= known
    assert {"SN Ia", "AGN", "RR Lyrae"} <= set(truth["class"].to_pylist())


@pytest.mark.parametrize("name", ["seed", "objects", "nights", "history"])
def test_negative_numbers_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Survey(**{name: -1})  # type: ignore[arg-type]


def test_a_survey_without_objects_gives_no_alerts() -> None:
    assert list(Survey(objects=0, nights=1).alerts()) == []
