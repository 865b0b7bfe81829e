"""Notices in GCN's schema: what is read of the true forms, and what is said of those that cannot be used."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from event_notices import coincidence, einstein_probe, guano, icecube
from hostile_input import damaged, odd_document, refused_with_reason
from hypothesis import given, settings

from broker_assets.settings import InputLimits
from broker_assets.sky.error_circles import ErrorCircle
from broker_assets.sky.event_notices import NO_POSITION, SKY_MAP_ONLY, read_event_notice
from broker_assets.sky.notice_fields import BadNotice

TRIGGER = datetime.datetime(2026, 11, 28, 21, 46, 5, 130_000, tzinfo=datetime.UTC)


def test_einstein_probe() -> None:
    notice = read_event_notice(einstein_probe())
    assert (notice.event, notice.kind, notice.name, notice.issued) == ("01709131337", "initial", "01709131337", None)
    assert notice.trigger == TRIGGER
    assert notice.circles == (ErrorCircle(150.25, -12.5, 0.05, 0.9),)
    assert notice.remark is None


def test_a_neutrino_with_circle_and_sky_map() -> None:
    notice = read_event_notice(icecube(2, "update"))
    assert (notice.event, notice.kind, notice.name, notice.number) == ("141234_7654321", "update", "IceCube-261128A", 2)
    assert notice.issued == datetime.datetime(2026, 11, 28, 22, 20, tzinfo=datetime.UTC)
    assert notice.circles == (ErrorCircle(345.1, 9.5, 0.6, 0.9),)
    assert notice.url == "https://example.org/skymap.fits.gz"


def test_guano_begins_without_a_position_and_may_go_on_with_a_map() -> None:
    first = read_event_notice(guano(1, "initial"))
    assert (first.circles, first.remark) == ((), NO_POSITION)
    mapped = read_event_notice(guano(2, healpix_file="SU1QTEU="))
    assert (mapped.circles, mapped.remark) == ((), SKY_MAP_ONLY)
    placed = read_event_notice(guano(3, ra=336.2, dec=25.1, ra_dec_error=0.05, systematic_included=True))
    assert placed.circles == (ErrorCircle(336.2, 25.1, 0.05, 0.9),)


def test_every_neutrino_near_a_merger_is_a_circle() -> None:
    notice = read_event_notice(coincidence(2))
    assert notice.event == notice.name == "S261128ab"
    assert [(circle.part, circle.ra) for circle in notice.circles] == [("141235_0", 20.0), ("141235_1", 21.0)]


def test_flat_coincidences_are_read_too() -> None:
    record = json.loads(coincidence(1))
    [one] = record["coincident_events"]
    record["coincident_events"] = [{**one, **one.pop("localization")}]
    assert read_event_notice(json.dumps(record).encode()) == read_event_notice(coincidence(1))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"ra_uncertainty": [0.43], "uncertainty_shape": "circle"}, 0.43),
        ({"position_a_error": 0.2}, 0.2),
        ({"position_a_error": 0.2, "position_b_error": 0.3, "position_error_pa": 10}, 0.3),
        ({"ra_dec_error": 3.0, "ra_dec_error_unit": "arcmin"}, 0.05),
        ({"ra_dec_error": 0.3, "equinox": "J2000"}, 0.3),
        ({"ra_dec_error": 0.3, "equinox": 2000.0}, 0.3),
    ],
)
def test_fields_of_earlier_versions(fields: dict[str, Any], error: float) -> None:
    [circle] = read_event_notice(_without_error(**fields)).circles
    assert circle.ra == 150.25
    assert circle.error == pytest.approx(error)
    record = json.loads(coincidence(1))
    [one] = record["coincident_events"]
    del one["localization"]["ra_dec_error"]
    one["localization"] |= fields
    [near] = read_event_notice(json.dumps(record).encode()).circles
    assert near.error == pytest.approx(error)


def _without_error(**fields: Any) -> bytes:
    record = json.loads(einstein_probe())
    del record["ra_dec_error"]
    return json.dumps(record | fields).encode()


@pytest.mark.parametrize(
    "fields", [{"frame": "galactic"}, {"equinox": "B1950"}, {"equinox": 1950}, {"coordinate_system": "FK4"}]
)
def test_positions_in_another_frame_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadNotice, match="positions in ICRS are read"):
        read_event_notice(einstein_probe(**fields))
    record = json.loads(coincidence(1))
    record["coincident_events"][0]["localization"] |= fields
    with pytest.raises(BadNotice, match="positions in ICRS are read"):
        read_event_notice(json.dumps(record).encode())


def test_a_unit_that_is_not_known_is_refused() -> None:
    with pytest.raises(BadNotice, match="the error is in mas"):
        read_event_notice(einstein_probe(ra_dec_error_unit="mas"))


def test_revisions_of_an_event_are_of_this_event() -> None:
    record = json.loads(icecube(2, "update"))
    plain = read_event_notice(json.dumps(record).encode())
    record["id"] = ["141234_7654321_2"]
    assert read_event_notice(json.dumps(record).encode()) == plain
    del record["record_number"]
    assert read_event_notice(json.dumps(record).encode()).number == 2
    merger = json.loads(coincidence(1))
    merger["ref_ID"] = "S261128ab-2-Preliminary"
    assert read_event_notice(json.dumps(merger).encode()).event == "S261128ab"


@pytest.mark.parametrize(
    ("axes", "error"), [(0.3, 0.3), ([0.3], 0.3), ([0.3, 0.2], 0.3), ([0.2, 0.3, 40.0], 0.3), ([0.3, 0.2, 153], 0.3)]
)
def test_the_circle_contains_the_ellipse(axes: Any, error: float) -> None:
    [circle] = read_event_notice(einstein_probe(ra_dec_error=axes)).circles
    assert circle.error == error


def test_a_flare_has_the_time_of_its_observation_and_no_circle() -> None:
    record = {
        "alert_datetime": "2026-11-21T00:00:00", "mission": "Fermi", "instrument": "LAT", "event_name": "Q 1",
        "ra": 215.6, "dec": 32.4, "observation_start": "2026-11-20T00:00:00.0", "flux": 1e-6,
    }  # fmt: skip
    notice = read_event_notice(json.dumps(record).encode())
    assert (notice.event, notice.circles, notice.remark) == ("Q 1", (), NO_POSITION)
    assert notice.trigger == datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)


def test_fields_that_are_null_are_missing() -> None:
    """As senders write them whose schema allows it."""
    fields = json.loads(einstein_probe())
    for name in sorted(fields.keys() - {"id", "trigger_time"}):
        notice = read_event_notice(json.dumps(fields | {name: None}).encode())
        assert bool(notice.circles) == (name not in ("ra", "dec", "ra_dec_error")), name


@pytest.mark.parametrize("tense", ["test", "injection", "planned", "commanded"])
def test_what_was_not_observed_is_a_test(tense: str) -> None:
    for kind in ("initial", "retraction"):
        notice = read_event_notice(icecube(kind=kind, alert_tense=tense))
        assert notice.kind == "test"
        assert tense in str(notice.remark)


def test_a_damaged_retraction_takes_effect() -> None:
    notice = read_event_notice(icecube(kind="retraction", ra="nonsense", ra_dec_error=-1, pipeline=None))
    assert (notice.event, notice.retracts, notice.circles) == ("141234_7654321", True, ())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (einstein_probe(dec=97.0), "not a position"),
        (einstein_probe(ra_dec_error=-0.1), "above 0"),
        (einstein_probe(ra_dec_error="0.1"), "ra_dec_error"),
        (einstein_probe(containment_probability=90), "between 0 and 1"),
        (einstein_probe(trigger_time=None), "trigger_time"),
        (einstein_probe(trigger_time="yesterday"), "ISO 8601"),
        (einstein_probe(id=[]), "names no event"),
        (einstein_probe(id=["a\u0000b"]), "control characters"),
        (einstein_probe(ra=float("nan")), "ra"),
        (b"[1, 2]", "record"),
        (b"12", "record"),
        (b"TITLE: GCN/SWIFT NOTICE", "JSON"),
        (b"", "JSON"),
    ],
)
def test_the_reason_names_what_is_wrong(content: bytes, told: str) -> None:
    with pytest.raises(BadNotice, match=told):
        read_event_notice(content)


def test_the_limit_is_a_setting() -> None:
    with pytest.raises(BadNotice, match="BROKER_LIMITS__NOTICE_BYTES"):
        read_event_notice(einstein_probe(), limits=InputLimits(notice_bytes=10))


@given(document=odd_document(json.loads(icecube())))
@settings(max_examples=150, deadline=None)
def test_odd_documents_are_read_or_refused(document: bytes) -> None:
    with refused_with_reason(BadNotice):
        read_event_notice(document)


@given(content=damaged([icecube(), coincidence()]))
@settings(max_examples=100, deadline=None)
def test_damaged_bytes_are_read_or_refused(content: bytes) -> None:
    with refused_with_reason(BadNotice):
        read_event_notice(content)
