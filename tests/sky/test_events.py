"""Notices of gravitational-wave events, in any order, and what they do to the maps that are matched."""

from __future__ import annotations

import base64
import datetime
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psycopg
import pytest
from astropy.io import fits
from hostile_input import damaged, memory_below, odd_document, refused_with_reason
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker_assets.database import engine
from broker_assets.sky.cells import cells_at
from broker_assets.sky.events import (
    apply_notice,
    expire_sky_maps,
    read_notice,
)
from broker_assets.sky.hits import Origin, Positions, write_sky_map_hits
from broker_assets.sky.notice_fields import BadNotice
from broker_assets.sky.rematch import lists_to_rematch, rematch
from broker_assets.sky.skymaps import NotASkyMap, SkyMap, match_sky_map, read_sky_map

Connection = psycopg.Connection[Any]
NOW = datetime.datetime.now(datetime.UTC)
POISON = ("poison_far_nan", "poison_far_infinity", "poison_class_nan", "poison_huge_far", "poison_nul_in_id",
          "poison_nul_in_class", "poison_year_9999")  # fmt: skip
"""Notices of the field that stopped the topic."""


def active_sky_maps(connection: Connection) -> dict[int, SkyMap]:
    """Maps that are matched now, by `mw_id`."""
    rows = connection.execute("SELECT mw_id, sky_map FROM mma_areas WHERE active AND active_until > now()")
    return {identifier: read_sky_map(content) for identifier, content in rows}


def sky_map(centre: int = 0, *, order: int = 3) -> bytes:
    """A small map whose probability lies in one cell of order 3 and its neighbours."""
    pixels = np.arange(12 * 4**order)
    density = np.zeros(len(pixels))
    density[centre : centre + 4] = [0.5, 0.25, 0.15, 0.1]
    density /= np.pi / 3 / 4**order
    columns = [
        fits.Column("UNIQ", "K", array=pixels + 4 * 4**order),
        fits.Column("PROBDENSITY", "D", array=density),
        fits.Column("DISTMU", "D", array=np.full(len(pixels), 40.0)),
        fits.Column("DISTSIGMA", "D", array=np.full(len(pixels), 8.0)),
    ]
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header.update(COORDSYS="C", DISTMEAN=39.8, DISTSTD=8.3)
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    return buffer.getvalue()


def notice(
    minute: int,
    kind: str = "UPDATE",
    *,
    event: str = "S261120a",
    bright: float = 0.9,
    map_: bytes | None = None,
    days_ago: float = 1.0,
) -> bytes:
    details: Any = None
    if kind != "RETRACTION":
        details = {
            "time": (NOW - datetime.timedelta(days=days_ago)).isoformat(),
            "far": 1e-9,
            "classification": {"BNS": bright, "BBH": 1 - bright},
            "skymap": base64.b64encode(map_ if map_ is not None else sky_map()).decode(),
        }
    record = {
        "superevent_id": event,
        "alert_type": kind,
        "time_created": f"2026-11-20T10:{minute:02d}:00Z",
        "urls": {"gracedb": "https://example.org/S261120a"},
        "event": details,
    }
    return json.dumps(record).encode()


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with engine.connect(database_url) as connection:
        yield connection


def test_reading_json_and_avro() -> None:
    read = read_notice(notice(5))
    assert (read.event, read.kind, read.version) == ("S261120a", "UPDATE", "2026-11-20T10:05:00.000000Z")
    assert read.classification == {"BNS": 0.9, "BBH": pytest.approx(0.1)}
    assert read.sky_map == sky_map()
    record = json.loads(notice(5))
    record["event"]["skymap"] = sky_map()
    details = {
        "type": "record", "name": "event",
        "fields": [
            {"name": "time", "type": "string"}, {"name": "far", "type": "double"},
            {"name": "classification", "type": {"type": "map", "values": "double"}},
            {"name": "skymap", "type": ["null", "bytes"]},
        ],
    }  # fmt: skip
    schema = {
        "type": "record", "name": "notice",
        "fields": [
            {"name": "superevent_id", "type": "string"}, {"name": "alert_type", "type": "string"},
            {"name": "time_created", "type": "string"}, {"name": "urls", "type": {"type": "map", "values": "string"}},
            {"name": "event", "type": ["null", details]},
        ],
    }  # fmt: skip
    buffer = io.BytesIO()
    fastavro.writer(buffer, schema, [record])
    assert read_notice(buffer.getvalue()) == read


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"rubbish", "neither JSON"),
        (b"[1]", "not list"),
        (b"{}", "no field 'superevent_id'"),
        (notice(1).replace(b'"time"', b'"tame"'), "no field 'time'"),
        (notice(1).replace(b"2026-11-20T10", b"2026-31-20T10"), "is invalid"),
        (b'{"superevent_id": "S1", "alert_type": "UPDATE", "time_created": "2026-11-20T10:00:00Z"}', "no information"),
    ],
)
def test_bad_notices_say_why(content: bytes, reason: str) -> None:
    with pytest.raises(BadNotice, match=reason):
        read_notice(content)


@pytest.mark.shared
@pytest.mark.parametrize("name", POISON)
def test_poison_of_the_field_is_a_bad_notice(shared_folder: Path, name: str) -> None:
    with pytest.raises(BadNotice):
        read_notice((shared_folder / "data/sky/field/notice" / f"{name}.json").read_bytes())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"far": 1e-09', b'"far": true'),
        (b'"far": 1e-09', b'"far": "1e-9"'),
        (b'"BNS": 0.9', b'"BNS": null'),
        (b'"superevent_id": "S261120a"', b'"superevent_id": 7'),
        (b'"superevent_id": "S261120a"', b'"superevent_id": "' + b"x" * 5000 + b'"'),
        (b'"time_created": "2026-11-20T10:01:00Z"', b'"time_created": 1790000000'),
        (b'"time_created": "2026-11-20T10:01:00Z"', b'"time_created": "0001-01-01T00:00:00+14:00"'),
        (b'"time_created": "2026-11-20T10:01:00Z"', b'"time_created": "2026-11-20T25:01:00Z"'),
        (b'"time_created": "2026-11-20T10:01:00Z"', b'"time_created": "2026-11-20"'),
        (b'"gracedb": "https', b'"gracedb": {"a": 1}, "x": "https'),
        (b'"skymap": "', b'"skymap": "***'),
    ],
)
def test_fields_of_the_wrong_kind(old: bytes, new: bytes) -> None:
    content = notice(1)
    assert content.count(old) == 1, content[:300]
    with pytest.raises(BadNotice):
        read_notice(content.replace(old, new))


def test_a_retraction_takes_effect_whatever_else_it_says() -> None:
    content = notice(1, "RETRACTION").replace(b'"event": null', b'"event": {"time": NaN}')
    assert read_notice(content).retracts


SMALL = notice(1, map_=sky_map(order=0))


@given(st.one_of(damaged([SMALL]), odd_document(json.loads(SMALL))))
def test_damaged_notices_are_read_or_say_why(content: bytes) -> None:
    with memory_below(8 * 1024**2), refused_with_reason(BadNotice, NotASkyMap):
        read = read_notice(content)
        if read.sky_map is not None:
            read_sky_map(read.sky_map)


@pytest.mark.database
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(damaged([SMALL]), odd_document(json.loads(SMALL))))
def test_whatever_can_be_read_can_be_stored(connection: Connection, content: bytes) -> None:
    with connection.transaction(force_rollback=True), refused_with_reason(BadNotice, NotASkyMap):
        apply_notice(connection, read_notice(content))


@pytest.mark.database
def test_versions_come_in_any_order_and_twice(connection: Connection) -> None:
    first = apply_notice(connection, read_notice(notice(1, "PRELIMINARY")))
    assert first.active
    third = apply_notice(connection, read_notice(notice(3, map_=sky_map(100))))
    second = apply_notice(connection, read_notice(notice(2, map_=sky_map(200))))
    assert third.active
    assert not second.active
    assert list(active_sky_maps(connection)) == [third.identifier]
    assert apply_notice(connection, read_notice(notice(3, map_=sky_map(100)))).identifier is None
    row = connection.execute(
        "SELECT area90, params->'location'->>'distmean', event_tai FROM mma_areas WHERE mw_id = %s", (third.identifier,)
    ).fetchone()
    assert row is not None
    assert row[0] == pytest.approx(3 * 41252.96 / 768, rel=1e-3)
    assert float(row[1]) == pytest.approx(39.8)


@pytest.mark.database
@pytest.mark.parametrize("order", ["before", "after"])
def test_a_retraction_voids_its_versions_whenever_it_comes(connection: Connection, order: str) -> None:
    kinds = [("INITIAL", 1), ("RETRACTION", 2)]
    for kind, minute in kinds if order == "after" else kinds[::-1]:
        apply_notice(connection, read_notice(notice(minute, kind)))
    assert active_sky_maps(connection) == {}
    assert connection.execute("SELECT count(*) FROM mma_areas WHERE retracted_at IS NOT NULL").fetchone() == (1,)
    assert apply_notice(connection, read_notice(notice(3))).active  # a later version says it was one after all


@pytest.mark.database
def test_what_is_kept_but_not_matched(connection: Connection) -> None:
    wide = np.full(12, 1 / (4 * np.pi))
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column("UNIQ", "K", array=np.arange(4, 16)), fits.Column("PROBDENSITY", "D", array=wide)]
    )
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    dark = apply_notice(connection, read_notice(notice(1, bright=0.1, map_=buffer.getvalue())))
    assert dark.identifier
    assert not dark.active
    assert "most likely BBH" in dark.effect
    bright = apply_notice(connection, read_notice(notice(1, event="S2", map_=buffer.getvalue())))
    assert bright.active
    old = apply_notice(connection, read_notice(notice(1, event="S3", days_ago=30)))
    assert not old.active
    with pytest.raises(NotASkyMap):
        apply_notice(connection, read_notice(notice(1, event="S4", map_=b"rubbish")))


@pytest.mark.database
def test_hits_of_past_and_future_objects(connection: Connection) -> None:
    applied = apply_notice(connection, read_notice(notice(1)))
    [(identifier, event_map)] = active_sky_maps(connection).items()
    random = np.random.default_rng(0)
    ra, dec = random.uniform(0, 360, 4000), np.degrees(np.arcsin(random.uniform(-1, 1, 4000)))
    ids = np.arange(1, 4001)
    [event_tai] = connection.execute("SELECT event_tai FROM mma_areas").fetchone() or (0.0,)
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY objects (diaobjectid, survey, ra, decl, healpix, lastdiasourcemjdtai) FROM STDIN") as stream,
    ):
        for row in zip(ids.tolist(), ra.tolist(), dec.tolist(), cells_at(ra, dec).tolist(), strict=True):
            stream.write_row((row[0], 1, *row[1:], event_tai + (1.0 if row[0] % 2 else -40.0)))
    assert lists_to_rematch(connection) == [("sky_map", applied.identifier, 1)]
    done = rematch(connection, "sky_map", identifier)
    expected = match_sky_map(event_map, ra, dec, level=90.0)
    inside = set(ids[expected.position].tolist())
    found = {row[0] for row in connection.execute("SELECT diaobjectid FROM mma_area_hits")}
    assert found == {number for number in inside if number % 2}
    assert done.total == len(found) > 0
    with connection.transaction():
        write_sky_map_hits(
            connection,
            identifier,
            event_map,
            Positions(ids, ra, dec),
            Origin(event_map.version),
            distance=np.full(4000, 48.0),
        )
    rows = connection.execute("SELECT diaobjectid, distance, probdens2, probdens3 FROM mma_area_hits").fetchall()
    assert {row[0] for row in rows} == inside
    assert all(row[3] == pytest.approx(row[2] * np.exp(-0.5)) for row in rows if row[1] is not None)
    # An object whose position moves out of the contour is no hit any more; all others stay.
    outside = np.flatnonzero(~np.isin(ids, list(inside)))[0]
    moved = min(inside)
    with connection.transaction():
        there = Positions(np.array([moved]), ra[[outside]], dec[[outside]])
        write_sky_map_hits(connection, identifier, event_map, there, Origin(event_map.version))
    assert {row[0] for row in connection.execute("SELECT diaobjectid FROM mma_area_hits")} == inside - {moved}


@pytest.mark.database
def test_maps_expire(connection: Connection) -> None:
    applied = apply_notice(connection, read_notice(notice(1)))
    connection.execute("UPDATE mma_areas SET active_until = now() - interval '1 second'")
    assert active_sky_maps(connection) == {}
    assert expire_sky_maps(connection) == [applied.identifier]
    assert expire_sky_maps(connection) == []
