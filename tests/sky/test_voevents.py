"""VOEvents of GCN: the same event in all of its notices, radii in degrees, and hostile documents."""

from __future__ import annotations

import datetime

import pytest
from event_notices import svom, voevent
from hostile_input import damaged, refused_with_reason
from hypothesis import given, settings

from broker_assets.sky.error_circles import ErrorCircle
from broker_assets.sky.event_notices import read_event_notice
from broker_assets.sky.notice_fields import BadNotice
from broker_assets.sky.voevents import read_voevent


def test_swift() -> None:
    notice = read_event_notice(voevent())
    assert (notice.event, notice.kind, notice.number, notice.remark) == ("1299999", "initial", 1, None)
    assert notice.issued == datetime.datetime(2026, 11, 28, 21, 48, 1, tzinfo=datetime.UTC)
    assert notice.trigger == datetime.datetime(2026, 11, 28, 21, 46, 5, 130_000, tzinfo=datetime.UTC)
    assert notice.circles == (ErrorCircle(83.6331, 22.0145, 0.0014, 0.9),)


def test_fermi_gives_one_sigma() -> None:
    [circle] = read_voevent(voevent("ivo://nasa.gsfc.gcn/Fermi#LAT_Offline_2026-11-28", error="0.5")).circles
    assert (circle.error, circle.containment) == (0.5, 0.68)


@pytest.mark.parametrize(
    "params",
    [
        '<Param name="run_id" value="141234"/><Param name="event_id" value="7654321"/><Param name="rev" value="1"/>',
        "",
    ],
)
def test_icecube_names_the_event_as_its_json_does(params: str) -> None:
    ivorn = "ivo://nasa.gsfc.gcn/AMON#ICECUBE_GOLD_Event2026-11-28T21:46:05.13_25_141234_007654321_1"
    error = '<Param name="src_error_90" value="36" unit="arcmin"/>'
    notice = read_voevent(voevent(ivorn, trigger=None, params=params + error, error="0.3"))
    assert (notice.event, notice.number) == ("141234_7654321", 1)
    assert notice.circles[0].error == pytest.approx(0.6)


def test_svom_and_its_retraction() -> None:
    first = read_event_notice(svom())
    assert (first.event, first.kind) == ("sb26112801", "initial")
    for last in (svom(packet=219), svom(citations='<EventIVORN cite="retraction">ivo://org.svom/fsc#x</EventIVORN>')):
        notice = read_event_notice(last)
        assert (notice.event, notice.retracts, notice.circles) == ("sb26112801", True, ())


def test_what_is_definitely_no_burst_is_retracted() -> None:
    group = '<Group name="Solution_Status"><Param name="Def_NOT_a_GRB" value="{}"/></Group>'
    assert read_voevent(voevent(params=group.format("true"))).retracts
    assert not read_voevent(voevent(params=group.format("false"))).retracts


def test_a_notice_that_cites_another_is_of_its_event() -> None:
    first = "ivo://example/one#E261128"
    cites = f'<EventIVORN cite="supersedes">{first}</EventIVORN>'
    notice = read_voevent(voevent("ivo://example/one#E261128-2", trigger=None, citations=cites))
    assert (notice.event, notice.kind) == (read_voevent(voevent(first, trigger=None)).event, "update")


@pytest.mark.parametrize(
    ("content", "remark"),
    [
        (voevent(role="test"), "its role is test"),
        (voevent(role="utility"), "its role is utility"),
        (voevent(params='<Param name="Test_Submission" value="true"/>'), "it is a test"),
    ],
)
def test_tests_are_tests(content: bytes, remark: str) -> None:
    notice = read_voevent(content)
    assert (notice.kind, notice.circles, notice.remark) == ("test", (), remark)


@pytest.mark.parametrize(
    "content",
    [
        voevent(where="The RA,Dec coordinates are of the type: unavailable/inappropriate.", error="0.001"),
        voevent(params='<Param name="Coords_String" value="S/C pointing"/>'),
        voevent(error="0"),
        voevent(error=""),
        voevent().replace(b"Position2D", b"Position3D"),
    ],
)
def test_without_the_position_of_a_source_there_is_no_circle(content: bytes) -> None:
    notice = read_voevent(content)
    assert (notice.circles, notice.remark) == ((), "it has no position")


@pytest.mark.parametrize(("unit", "error"), [("arcmin", "3"), ("arcsec", "180"), ("deg", "0.05")])
def test_units(unit: str, error: str) -> None:
    scale = {"deg": 1, "arcmin": 60, "arcsec": 3600}[unit]
    [circle] = read_voevent(voevent(unit=unit, error=error, ra=str(10 * scale), dec=str(-5 * scale))).circles
    assert (circle.ra, circle.dec, circle.error) == pytest.approx((10.0, -5.0, 0.05))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (voevent(frame="UTC-FK4-GEO"), "FK4"),
        (voevent(frame="TDB-ICRS-BARY"), "TDB"),
        (voevent(unit="rad"), "rad"),
        (voevent(dec="-100"), "not a position"),
        (voevent(ra="12h30m"), "not a number"),
        (voevent(error="nan"), "Error2Radius of the position is not a number"),
        (voevent(error="1e400"), "Error2Radius of the position is not a number"),
        (voevent(ra="8_3"), "not a number"),
        (voevent(dec="٢٢"), "not a number"),
        (voevent(params='<Param name="src_error_90" value="3_6" unit="arcmin"/>'), "not a number"),
        (voevent(time=""), "ISOTime"),
        (voevent(time="soon"), "ISO 8601"),
        (voevent(ivorn="", trigger=None), "names no event"),
        (b"<a/>", "not a VOEvent"),
        (b"<VOEvent", "not a VOEvent"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><VOEvent>&b;</VOEvent>', "document type"),
        ('<?xml version="1.0"?><!DOCTYPE a []><VOEvent/>'.encode("utf-16-le"), "NUL"),
        (b'<?xml version="1.0" encoding="klingon"?><VOEvent/>', "not a VOEvent"),
    ],
)
def test_the_reason_names_what_is_wrong(content: bytes, told: str) -> None:
    with pytest.raises(BadNotice, match=told):
        read_voevent(content)


@given(content=damaged([voevent(), svom()]))
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_are_read_or_refused(content: bytes) -> None:
    with refused_with_reason(BadNotice):
        read_voevent(content)
