"""ZTF-like surveys, read by our ZTF adapter."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import numpy as np

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.identifiers import ztf_object_id
from broker_assets.simulation import Survey


def records(payloads: list[bytes]) -> list[dict[str, Any]]:
    """The packets as fastavro reads them."""
    return [next(fastavro.reader(io.BytesIO(payload))) for payload in payloads]  # type: ignore[arg-type, misc]


def test_packets_are_containers_that_our_adapter_reads() -> None:
    survey = Survey(survey="ztf", objects=1500, nights=2, history=8, cutouts="small")
    alerts = list(survey.alerts())
    assert len(alerts) > 50
    payloads = [alert.payload for alert in alerts]
    decoder = AlertDecoder("ztf", "container")
    identified = decoder.identify(payloads)
    tables = decoder.decode(identified)
    assert identified.failures == tables.failures == []
    assert decoder.unknown_fields == {}
    assert identified.diasourceid.tolist() == [alert.diasourceid for alert in alerts]
    assert identified.diaobjectid.tolist() == [alert.diaobjectid for alert in alerts]
    assert identified.night.astype(str).tolist() == [alert.night for alert in alerts]
    assert np.abs(identified.midpointmjdtai - [alert.midpointmjdtai for alert in alerts]).max() < 1e-9
    packets = records(payloads)
    assert [packet["candid"] for packet in packets] == [alert.diasourceid for alert in alerts]
    assert ztf_object_id([packet["objectId"] for packet in packets]).tolist() == identified.diaobjectid.tolist()
    assert tables.forced_source.num_rows == sum(len(packet["fp_hists"] or ()) for packet in packets) > 0
    assert tables.nondetection.num_rows > 0
    for packet in packets:
        times = [one["jd"] for one in packet["prv_candidates"] or []]
        assert times == sorted(times)
        assert all(0 < packet["candidate"]["jd"] - time <= 30 for time in times)


def test_fluxes_survive_the_way_over_magnitudes() -> None:
    alerts = list(Survey(survey="ztf", objects=800, nights=1, cutouts="none").alerts())
    decoder = AlertDecoder("ztf", "container")
    source = decoder.decode(decoder.identify([alert.payload for alert in alerts])).source
    flux, error = (source[name].to_numpy() for name in ("psfflux", "psffluxerr"))
    assert (np.abs(flux) / error >= 4.99).all()
    assert (flux < 0).any()


def test_objects_of_other_seeds_have_other_names() -> None:
    first, second = (
        {alert.diaobjectid for alert in Survey(survey="ztf", seed=seed, objects=500, nights=1, cutouts="none").alerts()}
        for seed in (1, 2)
    )
    assert first
    assert not first & second
