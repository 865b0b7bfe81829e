"""Light curves of packets: the points that their rows have, whole, whatever of them is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import alert_packets
import numpy as np
import pyarrow as pa
import pytest

from broker_assets.database.tables import BANDS
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.light_curves import LIGHT_CURVE, light_curve
from broker_assets.packets.registry import SchemaFolder
from broker_assets.packets.tables import AlertTables


def _point(row: dict[str, object]) -> tuple[object, ...]:
    """What a light curve says of a point of the internal tables."""
    band = row.get("band")
    code = BANDS.index(str(band)) if band in BANDS else -1
    reliability = row.get("reliability")
    known = np.float32("nan") if reliability is None else np.float32(str(reliability))
    return row["packet"], row["midpointmjdtai"], code, np.float32(str(row["psfflux"])), str(known)


def _expected(tables: AlertTables, *, forced: bool) -> list[tuple[object, ...]]:
    usable = [
        row
        for row in (tables.forced_source if forced else tables.source).to_pylist()
        if row["psfflux"] is not None and np.isfinite(row["psfflux"]) and not row.get("timewithdrawnmjdtai")
    ]
    if forced:
        first = {packet: time for packet, time, *_ in sorted(_expected(tables, forced=False), reverse=True)}
        return sorted(_point(row) for row in usable if row["midpointmjdtai"] < first.get(row["packet"], np.inf))
    own = {row["packet"]: row["diasourceid"] for row in tables.source.to_pylist() if row["trigger"]}
    kept = [row for row in usable if row["trigger"] or row["diasourceid"] != own[row["packet"]]]
    return sorted(_point(row) for row in kept)


def _found(curve: pa.Table, *, forced: bool) -> list[tuple[object, ...]]:
    rows = [row for row in curve.to_pylist() if row["forced"] == forced]
    names = ("packet", "midpointmjdtai", "band")
    return sorted(
        (*(row[name] for name in names), np.float32(row["psfflux"]), str(np.float32(row["reliability"])))
        for row in rows
    )


def _decoded(decoder: AlertDecoder, messages: Sequence[bytes]) -> tuple[AlertTables, pa.Table]:
    identified = decoder.identify(messages)
    return decoder.decode(identified), identified.light_curve


@pytest.mark.shared
@pytest.mark.parametrize("survey", ["ztf", "elasticc"])
def test_light_curves_of_real_packets_are_their_rows(alerts: Path, survey: str) -> None:
    messages = [path.read_bytes() for path in sorted((alerts / survey).glob("*.avro"))]
    tables, curve = _decoded(AlertDecoder(survey, "container"), messages)
    assert tables.packet.num_rows > 10
    for forced in (False, True):
        assert _found(curve, forced=forced) == _expected(tables, forced=forced)
    assert curve.schema == LIGHT_CURVE
    assert len(set(curve["band"].to_pylist())) > 1


def test_points_are_read_whole_whatever_is_stored(tmp_path: Path) -> None:
    decoder = AlertDecoder("rubin", "confluent", SchemaFolder(alert_packets.write_schema_folder(tmp_path)))
    history = [alert_packets.source(7, visit, 61000.0 + visit) for visit in range(5)]
    history[1]["timeWithdrawnMjdTai"] = 61003.0
    history[2]["psfFlux"] = None
    record = alert_packets.alert(7, [(9, 61009.0)]) | {
        "prvDiaSources": [*history, alert_packets.source(7, 9, 61009.0)],
        "prvDiaForcedSources": [alert_packets.forced_source(7, visit, 60998.0 + visit) for visit in range(5)],
    }
    identified = decoder.identify([b"damaged", alert_packets.encode(record)])
    curve = identified.light_curve
    assert curve["packet"].unique().to_pylist() == [1]
    sources = curve.filter(pa.array(~np.array(curve["forced"].to_pylist())))
    assert sources["midpointmjdtai"].to_pylist() == [61009.0, 61000.0, 61003.0, 61004.0]
    assert curve.filter(curve["forced"])["midpointmjdtai"].to_pylist() == [60998.0, 60999.0]
    nothing = {path: np.zeros(len(points), bool) for path, points in identified.points.items()}
    assert decoder.decode(identified, wanted=nothing).source.num_rows == 1


def test_points_without_columns_of_photometry_have_no_light_curve() -> None:
    columns = {"packet": [0], "diasourceid": [1], "midpointmjdtai": [61000.0]}
    assert light_curve(np.array([0]), np.array([1]), [columns], []).num_rows == 0
    assert light_curve(np.zeros(0, np.int64), np.zeros(0, np.int64), [], []).schema == LIGHT_CURVE
