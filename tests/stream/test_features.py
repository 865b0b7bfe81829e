"""Features of alerts against the formulas in plain Python: live, in reprocessing, in retry, in any order."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from astropy.io import fits
from broken_adapter import BrokenAdapter
from feature_formulas import WAVELENGTH, black_body, differences, features

from broker_assets.accounting.facts import prune
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.object_context import ObjectContext
from broker_assets.database import engine
from broker_assets.database.tables import FEATURE_COLUMNS
from broker_assets.lightcurves.archive_features import ALERTS, POINTS, features_of_points
from broker_assets.lightcurves.dust import NotADustMap, read_dust_map
from broker_assets.lightcurves.object_features import ASSET, ObjectFeatures
from broker_assets.sky.matching import SkyMatching
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.reprocess import reprocess_night
from broker_assets.stream.retry import retry_quarantine

pytestmark = pytest.mark.database

SURVEYS = {"alerts": "rubin"}
BANDS = "ugrizy"
STATE = [name for name in FEATURE_COLUMNS if name != "lastdiasourcemjdtai"]


def alerts(packets: ModuleType, objects: int = 6, visits: int = 9, seed: int = 1) -> list[dict[str, Any]]:
    """Alerts of objects that brighten, in pairs of bands within minutes, with forced points before the first."""
    generator = np.random.default_rng(seed)
    made = []
    for object_id in range(1, objects + 1):
        times = [61000.2 + visit // 2 + 0.01 * (visit % 2) for visit in range(visits)]
        bands = [BANDS[(object_id + visit) % 6] for visit in range(visits)]
        flux = np.array([300.0 * black_body(WAVELENGTH[band], 8.0) for band in bands])
        flux *= np.exp(0.5 * (np.array(times) - times[0])) * generator.normal(1.0, 0.02, visits)
        sources = [
            packets.source(
                object_id, visit, times[visit], psfFlux=float(np.float32(flux[visit])),
                band=bands[visit], reliability=float(np.float32(generator.random())),
            )
            for visit in range(visits)
        ]  # fmt: skip
        forced = [packets.forced_source(object_id, 900 + day, 60990.2 + day) | {"psfFlux": 1.0} for day in range(7)]
        for visit in range(visits):
            alert = packets.alert(object_id, list(enumerate(times))[: visit + 1])
            alert |= {"diaSource": sources[visit], "prvDiaSources": sources[:visit], "prvDiaForcedSources": forced}
            made.append(alert)
    return made


def expected(alert: dict[str, Any], ebv: float) -> dict[str, Any]:
    """Features of an alert by the formulas; its object may be an explosion, and has no distance."""
    sources = [*([alert["diaSource"]]), *(alert["prvDiaSources"] or [])]
    where = alert["diaObject"]
    form = {
        "diaObject": {"ra": where["ra"], "decl": where["dec"]},
        "diaSourcesList": [item for item in sources if item["timeWithdrawnMjdTai"] is None],
        "diaForcedSourcesList": alert["prvDiaForcedSources"],
        "ebv": ebv,
        "annotations": {"sherlock": [{"classification": "ORPHAN"}]},
    }
    return features(form) | {"firstdiasourcemjdtai": where["firstDiaSourceMjdTai"]}


def facts(broker: Any) -> dict[tuple[int, int], dict[str, Any]]:
    """Stored features by object and source."""
    columns = ", ".join(FEATURE_COLUMNS)
    rows = broker.query(f"SELECT diaobjectid, diasourceid, {columns} FROM object_features")
    return {(row[0], row[1]): dict(zip(FEATURE_COLUMNS, row[2:], strict=True)) for row in rows}


def state(broker: Any) -> dict[int, dict[str, Any]]:
    """Features of the objects."""
    rows = broker.query(f"SELECT diaobjectid, {', '.join(STATE)} FROM objects")
    return {row[0]: dict(zip(STATE, row[1:], strict=True)) for row in rows}


def wrong(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Differences beyond 32-bit numbers and, for fits, beyond what rounding moves."""
    fit = {name: value for name, value in wanted.items() if name.startswith("bbb") and name in found}
    rest = {name: value for name, value in wanted.items() if name in found and name not in fit}
    columns = {name: [value] for name, value in found.items()}
    return differences([rest], columns, 1e-5) + differences([fit], columns, 2e-2)


def reddening(alert: dict[str, Any]) -> float:
    """E(B−V) of an alert in the default map."""
    where = alert["diaObject"]
    return float(read_dust_map().ebv([where["ra"]], [where["dec"]])[0])


def drained(broker: Any, packets: ModuleType, made: list[dict[str, Any]]) -> Any:
    """The broker after it has drained alerts."""
    report = broker.drain(packets.ListSource.of([packets.encode(alert) for alert in made]))
    assert report.stored == len(made)
    return report


def test_facts_and_state_are_what_the_packets_say(broker: Any, packets: ModuleType) -> None:
    made = alerts(packets)
    report = drained(broker, packets, made)
    found, newest = facts(broker), state(broker)
    assert len(found) == len(made)
    fitted = 0
    for alert in made:
        own = alert["diaSource"]
        wanted = expected(alert, reddening(alert))
        assert wrong(found[own["diaObjectId"], own["diaSourceId"]], wanted) == []
        fitted += wanted["bbbtemp"] is not None
    assert fitted > 5
    for alert in made[8::9]:
        assert wrong(newest[alert["diaSource"]["diaObjectId"]], expected(alert, reddening(alert))) == []
    assert {night: counts.facts["object_features"] for night, counts in report.nights.items()} == {
        str(night): rows for night, rows in broker.query("SELECT night::text, count(*) FROM object_features GROUP BY 1")
    }
    broker.assert_closed_ledger()


def test_the_order_of_packets_and_batches_does_not_matter(broker: Any, packets: ModuleType) -> None:
    made = alerts(packets)
    random.Random(4).shuffle(made)
    drained(broker, packets, made)
    found, newest = facts(broker), state(broker)
    for alert in made:
        own = alert["diaSource"]
        assert wrong(found[own["diaObjectId"], own["diaSourceId"]], expected(alert, reddening(alert))) == []
    last = {alert["diaSource"]["diaObjectId"]: alert for alert in sorted(made, key=lambda a: a["diaSourceId"])}
    for object_id, alert in last.items():
        assert wrong(newest[object_id], expected(alert, reddening(alert))) == []


def test_withdrawn_points_leave_newer_features_and_no_older_ones(broker: Any, packets: ModuleType) -> None:
    made = alerts(packets, objects=1)
    source = packets.ListSource.of([packets.encode(alert) for alert in made[:8]])
    broker.drain(source)
    before = facts(broker)
    assert len(before) == 8
    last = made[8] | {"prvDiaSources": [dict(item) for item in made[8]["prvDiaSources"]]}
    for item in last["prvDiaSources"][2:5]:
        item["timeWithdrawnMjdTai"] = 61004.0
    source.append(0, packets.encode(last))
    broker.drain(source)
    after = facts(broker)
    assert {key: after[key] for key in before} == before
    newest = after[1, last["diaSource"]["diaSourceId"]]
    assert sum(newest[f"n{band}sources"] for band in BANDS) == 6
    assert wrong(newest, expected(last, reddening(last))) == []


def test_the_points_that_packets_brought_give_the_same_features(broker: Any, packets: ModuleType) -> None:
    """What Spark does with the cold store: no packet is read, and every alert has the features it was stored with."""
    made = alerts(packets)
    # From an alert in the middle of a night on, another point is withdrawn with each.
    for visit in range(4, 9):
        late = made[9 + visit] = made[9 + visit] | {
            "prvDiaSources": [dict(item) for item in made[9 + visit]["prvDiaSources"]]
        }
        for number, item in enumerate(late["prvDiaSources"][: visit - 3]):
            item["timeWithdrawnMjdTai"] = made[9 + 4 + number]["diaSource"]["midpointMjdTai"]
    drained(broker, packets, made)
    found = features_of_points(*rows_of_points(broker), fit_days=100.0, dust=read_dust_map())
    assert found.num_rows == len(made)
    columns = ("diaobjectid", "diasourceid", "night", *FEATURE_COLUMNS)
    rows = broker.query(f"SELECT {', '.join(columns)} FROM object_features")
    wanted = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows], found.schema)
    assert found.to_pylist() == wanted.sort_by([(name, "ascending") for name in columns[:2]]).to_pylist()
    assert len(set(found.filter(pc.field("diaobjectid") == 2)["nposdiasources"].to_pylist())) < 9
    assert found["bbbtemp"].null_count < found.num_rows


def rows_of_points(broker: Any) -> tuple[pa.Table, pa.Table]:
    """Alerts and points as they are stored, E(B−V) not among them."""
    of_alert = "survey, source.midpointmjdtai, firstdiasourcemjdtai, object.ra, object.decl"
    alerts = broker.query(
        f"SELECT diaobjectid, diasourceid, source.night, source.{of_alert} FROM diasources AS source"
        " JOIN objects AS object USING (diaobjectid) WHERE archivefileid IS NOT NULL"
    )
    names = ALERTS.names[: ALERTS.get_field_index("decl") + 1]
    columns = "midpointmjdtai, psfflux::float8, band, {}::float8, broughtbymjdtai, timewithdrawnmjdtai"
    points = broker.query(
        f"SELECT diaobjectid, 0, {columns.format('reliability')} FROM diasources"
        f" UNION ALL SELECT diaobjectid, 1, {columns.format('NULL')} FROM diaforcedsources"
    )
    return (
        pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in alerts], ALERTS),
        pa.Table.from_pylist([dict(zip(POINTS.names, row, strict=True)) for row in points], POINTS),
    )


def test_a_night_rebuilt_has_equal_rows(broker: Any, packets: ModuleType) -> None:
    drained(broker, packets, alerts(packets))
    before = facts(broker), state(broker)
    nights = [str(night) for (night,) in broker.query("SELECT DISTINCT night FROM archive_file ORDER BY 1")]
    for facts_only in (False, True):
        broker.execute("UPDATE objects SET ebv = 9, bbbtemp = 9, latestpaircolourbands = 'x' WHERE diaobjectid < 4")
        broker.execute("UPDATE object_features SET jump1 = -1")
        for night in nights:
            reprocess_night(broker.database_url, night, surveys=SURVEYS, plan=broker.plan, facts_only=facts_only)
        assert (facts(broker), state(broker)) == before


def test_another_dust_map_gives_other_features_of_the_past(broker: Any, packets: ModuleType, tmp_path: Path) -> None:
    drained(broker, packets, alerts(packets, objects=2))
    column = fits.Column("EBV", "E", array=np.full(12, 0.5))
    table = fits.BinTableHDU.from_columns([column])
    table.header["ORDERING"] = "NESTED"
    table.writeto(tmp_path / "flat.fits")
    flat = ObjectFeatures([tmp_path / "flat.fits"])
    plan = EnrichmentPlan([SkyMatching(broker.sky), ObjectContext(CataloguesInForce(broker.catalogues)), flat]).chosen(
        ["object_features"]
    )
    nights = [str(night) for (night,) in broker.query("SELECT DISTINCT night FROM archive_file ORDER BY 1")]
    used = "SELECT DISTINCT inputs ->> 'dust_map' FROM ingest_batch_facts WHERE asset = 'object_features'"
    used += " AND replaced_by IS NULL"
    assert broker.query(used) == [(ObjectFeatures().dust.version,)]
    for night in nights:
        reprocess_night(broker.database_url, night, surveys=SURVEYS, plan=plan, facts_only=True)
    assert broker.query(used) == [(flat.dust.version,)]
    assert {row["ebv"] for row in (*facts(broker).values(), *state(broker).values())} == {0.5}
    for alert in alerts(packets, objects=2):
        own = alert["diaSource"]
        assert wrong(facts(broker)[own["diaObjectId"], own["diaSourceId"]], expected(alert, 0.5)) == []


def test_a_retry_writes_the_features_of_its_alerts(broker: Any, packets: ModuleType) -> None:
    made = alerts(packets, objects=2)
    adapter = BrokenAdapter(lambda identity: 2 in identity.diaobjectid, "two")
    values = [packets.encode(alert) for alert in made]
    broker.drain(packets.ListSource.of(values), decoder=lambda: broker.decoder(adapter))
    assert len(facts(broker)) == 9
    retry_quarantine(broker.database_url, broker.archive_url, broker.decoder, topic=broker.topic, plan=broker.plan)
    found = facts(broker)
    for alert in made:
        own = alert["diaSource"]
        assert wrong(found[own["diaObjectId"], own["diaSourceId"]], expected(alert, reddening(alert))) == []
    assert wrong(state(broker)[2], expected(made[-1], reddening(made[-1]))) == []


def test_without_context_only_short_light_curves_are_fitted(broker: Any, packets: ModuleType) -> None:
    plan = EnrichmentPlan([ObjectContext(CataloguesInForce(broker.catalogues)), ObjectFeatures(fit_days=3.5)])
    assert plan.enrichments[1].version != ObjectFeatures().version
    made = alerts(packets, objects=2)
    broker.drain(packets.ListSource.of([packets.encode(alert) for alert in made]), plan=plan)
    found = facts(broker)
    for alert in made:
        own = alert["diaSource"]
        wanted = expected(alert, reddening(alert))
        if own["midpointMjdTai"] - alert["diaObject"]["firstDiaSourceMjdTai"] > 3.5:
            wanted = {name: None if name.startswith("bbb") else value for name, value in wanted.items()}
        assert wrong(found[own["diaObjectId"], own["diaSourceId"]], wanted) == []
    assert {row["bbbtemp"] is None for row in found.values()} == {True, False}


def test_old_features_are_pruned_and_not_called_stale(broker: Any, packets: ModuleType) -> None:
    drained(broker, packets, alerts(packets, objects=2))
    nights = sorted({str(night) for (night,) in broker.query("SELECT night FROM object_features")})
    with engine.connect(broker.database_url) as connection:
        deleted = prune(connection, ASSET, before=nights[2])
        connection.commit()
    assert deleted > 0
    assert sorted({str(night) for (night,) in broker.query("SELECT night FROM object_features")}) == nights[2:]
    left = broker.query("SELECT DISTINCT night::text FROM ingest_batch_facts WHERE asset = 'object_features'")
    assert sorted(night for (night,) in left) == nights[2:]
    assert all(row["jump1"] is not None for row in state(broker).values())


def test_a_missing_dust_map_ends_the_run_and_blames_no_alert(broker: Any, packets: ModuleType, tmp_path: Path) -> None:
    made = [packets.encode(alert) for alert in alerts(packets, objects=1)]
    plan = EnrichmentPlan(
        [ObjectContext(CataloguesInForce(broker.catalogues)), ObjectFeatures([tmp_path / "nowhere.fits"])]
    )
    source = packets.ListSource.of(made)
    with pytest.raises(NotADustMap, match="nowhere"):
        broker.drain(source, plan=plan)
    assert broker.query("SELECT * FROM ingest_batch") == []
    assert broker.query("SELECT * FROM quarantine") == []
    assert broker.drain(source).stored == len(made)
    with pytest.raises(NotADustMap, match="nowhere"):
        reprocess_night(broker.database_url, "2025-11-20", surveys=SURVEYS, plan=plan, facts_only=True)
    assert len(facts(broker)) == len(made)
    with pytest.raises(NotADustMap, match="nowhere"):
        retry_quarantine(broker.database_url, broker.archive_url, broker.decoder, topic=broker.topic, plan=plan)
