"""Checks of TNS, of the indices and of the files of lists."""

import io
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import psycopg
from astropy.coordinates import Latitude, Longitude
from dagster import AssetCheckResult, AssetChecksDefinition, AssetCheckSeverity, ResourceParam, asset_check
from mocpy import MOC
from psycopg import sql

from broker_assets.checks.definition import Verdict, advised
from broker_assets.database.engine import connect
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.resources.tns import Tns
from broker_assets.sky.changes import cone_rows
from broker_assets.sky.cones import match_cones
from broker_assets.sky.in_force import AREAS, CONES
from broker_assets.sky.lists import MATCHED
from broker_assets.sky.separation import separation
from broker_assets.sky.store import current_version, read_area_index, read_cone_index
from broker_assets.storage.published import DamagedProduct, read_published
from broker_assets.tns.refresh import stored_checksum

FRESH = timedelta(hours=4)
"""Maximum age of the latest hourly file: files appear half an hour after their hour; three missed ones are a
warning."""
REBUILD = "materialise the index again with the job match_lists"
FETCH = "start the job fetch_tns and read its log: a file of TNS that was missed is fetched again"
"""Next steps."""
SAMPLE_CONES = 200_000
SAMPLE_POSITIONS = 200
SAMPLE_LISTS = 5
COVERED_CONES = 20_000


def build_sky_checks(sky: Path) -> list[AssetChecksDefinition]:
    """The checks; `sky` is the folder of the indices."""
    return [
        _check("cone_index", "equals_database", "The index contains every active cone, and nothing else.",
               lambda connection, _: cones_equal(connection, sky), REBUILD),
        _check("cone_index", "recall", "A sample of positions has the hits that a comparison with every cone gives.",
               lambda connection, _: recall(connection, sky), REBUILD),
        _check("area_index", "equals_database", "The index contains every active area with its cells.",
               lambda connection, _: areas_equal(connection, sky), REBUILD),
        _check("active_lists", "files_cover_cones", "The MOC files of a sample of watchlists are undamaged and "
               "cover their cones.", mocs_cover, "materialise watchlist of these lists again"),
        _tns_check(),
        _check("crossmatch_tns", "complete", "The table agrees with the last file, in number and checksum.",
               lambda connection, _: tns_complete(connection), FETCH),
    ]  # fmt: skip


def _check(
    asset: str,
    name: str,
    description: str,
    judge: Callable[[psycopg.Connection[Any], ObjectStore], Verdict],
    next_step: str,
) -> AssetChecksDefinition:
    @asset_check(asset=asset, name=name, description=description)
    def checked(database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]) -> AssetCheckResult:
        with connect(database.url) as connection:
            return advised(judge(connection, object_store), next_step).result()

    return checked


def _tns_check() -> AssetChecksDefinition:
    @asset_check(
        asset="crossmatch_tns", name="fresh", description="A file that covers the last hours has been applied."
    )
    def checked(database: ResourceParam[Database], tns: ResourceParam[Tns]) -> AssetCheckResult:
        with connect(database.url) as connection:
            verdict = tns_fresh(connection, configured=not tns.missing, now=datetime.now(UTC))
        return advised(verdict, FETCH).result()

    return checked


def cones_equal(connection: psycopg.Connection[Any], sky: Path) -> Verdict:
    """Compare number and checksum of the cones of lists whose revision is the same in the index and the database."""
    if current_version(sky / CONES) is None:
        return Verdict(False, "no cone index has been built")
    index = read_cone_index(sky / CONES)
    rows = _active_cones(connection)
    stored = _fingerprint(
        rows["cone_id"].to_numpy(), rows["ra"].to_numpy(), rows["decl"].to_numpy(), rows["radius"].to_numpy()
    )
    found = _fingerprint(index.cone, index.ra, index.dec, index.radius)
    metadata = {"cones in the database": len(rows), "cones in the index": len(index)}
    if stored == found:
        return Verdict(True, f"{len(index)} cones in both", metadata=metadata)
    differing = len(np.setxor1d(rows["cone_id"].to_numpy(), index.cone))
    text = f"the index differs from the database: {differing} cones are in only one of them"
    return Verdict(False, text, metadata=metadata)


def _active_cones(connection: psycopg.Connection[Any]) -> Any:
    return cone_rows(
        connection,
        sql.SQL(" JOIN watchlist_periods AS period ON period.wl_id = list.wl_id AND period.revision_to IS NULL"),
    )


def _fingerprint(identifier: Any, *values: Any) -> tuple[int, int]:
    """Number of rows and their checksum, independent of order."""
    total = np.asarray(identifier, np.int64).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for value in values:
        bits = np.ascontiguousarray(value, np.float64).view(np.uint64)
        total = (total ^ bits) * np.uint64(0xC2B2AE3D27D4EB4F)
        total ^= total >> np.uint64(29)
    return len(total), int(np.add.reduce(total, dtype=np.uint64)) if len(total) else 0


def areas_equal(connection: psycopg.Connection[Any], sky: Path) -> Verdict:
    """Compare the versions of all active areas."""
    active = dict(
        connection.execute(f"SELECT ar_id, moc_version FROM areas WHERE {MATCHED['area']}").fetchall()  # noqa: S608
    )
    if current_version(sky / AREAS) is None:
        return Verdict(False, "no area index has been built")
    index = read_area_index(sky / AREAS)
    known = dict(zip(index.area.tolist(), index.content, strict=True))
    differing = sorted(area for area in active.keys() | known.keys() if active.get(area) != known.get(area))
    text = f"{len(active)} areas in both" if not differing else f"{len(differing)} areas differ: {differing[:20]}"
    return Verdict(not differing, text, metadata={"areas": len(active), "different": len(differing)})


def recall(connection: psycopg.Connection[Any], sky: Path) -> Verdict:
    """Compare the hits of a sample of positions, half of them near cones, with their separations from every cone."""
    if current_version(sky / CONES) is None:
        return Verdict(False, "no cone index has been built")
    index = read_cone_index(sky / CONES)
    if len(index) == 0:
        return Verdict(True, "no cones")
    random = np.random.default_rng(len(index))
    near = random.integers(0, len(index), SAMPLE_POSITIONS)
    shift = index.radius[near] / 3600.0 * random.uniform(0, 1.5, len(near))
    angle = random.uniform(0, 2 * np.pi, len(near))
    dec = np.clip(index.dec[near] + shift * np.sin(angle), -90, 90)
    ra = np.mod(index.ra[near] + shift * np.cos(angle) / np.maximum(np.cos(np.radians(dec)), 1e-9), 360.0)
    hits = match_cones(index, ra, dec)
    found = set(zip(hits.position.tolist(), hits.cone.tolist(), strict=True))
    # every position is compared with a subset of all cones, and with those near which it was drawn
    part = random.choice(len(index), min(SAMPLE_CONES, len(index)), replace=False)
    part = np.unique(np.concatenate([part, near]))
    expected: set[tuple[int, int]] = set()
    for row in range(len(ra)):
        close = part[np.abs(index.dec[part] - dec[row]) <= index.radius[part] / 3600.0 + 1e-9]
        apart = separation(ra[row], dec[row], index.ra[close], index.dec[close])
        expected |= {(row, int(cone)) for cone in close[apart <= index.radius[close]]}
    looked_at = set(part.tolist())
    missed = expected - found
    invented = {pair for pair in found if pair[1] in looked_at} - expected
    metadata = {"positions": len(ra), "cones": len(part), "hits": len(expected), "missed": len(missed),
                "invented": len(invented)}  # fmt: skip
    text = f"{len(expected)} hits, {len(missed)} missed, {len(invented)} invented"
    return Verdict(not missed and not invented, text, metadata=metadata)


def mocs_cover(connection: psycopg.Connection[Any], object_store: ObjectStore) -> Verdict:
    """Read the published files of some watchlists and check that they contain the centres and rims of their cones."""
    lists = [
        int(row[0])
        for row in connection.execute(
            'SELECT "partition" FROM artefact JOIN watchlists ON wl_id::text = "partition"'
            " WHERE asset = 'watchlist' AND active ORDER BY made_at DESC LIMIT %s",
            (SAMPLE_LISTS,),
        )
    ]
    wrong: dict[str, str] = {}
    for watchlist in lists:
        try:
            _, files = read_published(object_store.path("watchlists", f"wl_{watchlist}"))
        except DamagedProduct as error:
            wrong[str(watchlist)] = str(error)
            continue
        outside = _not_covered(files)
        if outside:
            wrong[str(watchlist)] = f"{outside} cones are not covered"
    text = f"{len(lists)} watchlists checked" if not wrong else f"files of {len(wrong)} watchlists are wrong"
    return Verdict(not wrong, text, metadata={"watchlists": len(lists), "wrong": wrong})


def _not_covered(files: dict[str, bytes]) -> int:
    """Number of cones of `watchlist.csv` that are not within the MOCs."""
    lines = files["watchlist.csv"].decode().splitlines()[:COVERED_CONES]
    if not lines:
        return 0
    values = np.array([line.split(",", 4)[1:4] for line in lines], np.float64)
    mocs = [MOC.from_fits(io.BytesIO(content)) for name, content in sorted(files.items()) if name.endswith(".fits")]
    moc = mocs[0].union(*mocs[1:]) if len(mocs) > 1 else mocs[0]
    ra, dec, radius = values.T
    missing = np.zeros(len(ra), bool)
    # the CSV has six decimals, and radii have four digits: rounding must not look like a gap
    inner = np.maximum(radius * 0.999 - 1e-5, 0.0)
    for angle in np.linspace(0, 2 * np.pi, 9)[:-1]:
        latitude = np.clip(dec + inner * np.sin(angle), -90, 90)
        shift = inner * np.cos(angle) / np.maximum(np.cos(np.radians(latitude)), 1e-6)
        usable = np.abs(dec) < 89.0
        longitude = np.mod(ra + np.where(usable, shift, 0.0), 360.0)
        latitude = np.where(usable, latitude, dec)
        missing |= ~moc.contains_lonlat(Longitude(longitude, u.deg), Latitude(latitude, u.deg))
    return int(missing.sum())


def tns_fresh(connection: psycopg.Connection[Any], *, configured: bool, now: datetime) -> Verdict:
    """Whether the latest file covers the last hours."""
    row = connection.execute("SELECT max(covers_until), max(applied_at) FROM tns_file").fetchone()
    until = row[0] if row else None
    if until is None:
        if not configured:
            return Verdict(True, "TNS is not configured")
        return Verdict(False, "no file of TNS has been applied", AssetCheckSeverity.WARN)
    late = now - until
    text = f"files cover the time until {until:%Y-%m-%d %H:%M} UTC"
    return Verdict(late <= FRESH or not configured, text, AssetCheckSeverity.WARN,
                   {"hours behind": late.total_seconds() / 3600.0})  # fmt: skip


def tns_complete(connection: psycopg.Connection[Any]) -> Verdict:
    """Compare the table with the record made after the last file, and that record with the last full file."""
    files: Iterable[Any] = connection.execute(
        "SELECT name, kind, rows, checksum, table_rows, table_checksum FROM tns_file WHERE table_checksum IS NOT NULL"
        " ORDER BY applied_at DESC"
    ).fetchall()
    listed = list(files)
    if not listed:
        return Verdict(True, "no file of TNS has been applied")
    rows, checksum = stored_checksum(connection)
    last = listed[0]
    full = next((file for file in listed if file[1] == "full"), None)
    metadata = {"rows": rows, "rows after the last file": last[4]}
    if (rows, checksum) != (last[4], last[5]):
        text = f"the table has {rows} rows and is not as {last[0]} left it ({last[4]} rows): something else changed it"
        return Verdict(False, text, metadata=metadata)
    if full is None:
        return Verdict(False, "no full file has been applied", AssetCheckSeverity.WARN, metadata)
    metadata["rows of the last full file"] = full[2]
    if full[4] < full[2]:
        text = f"after the last full file of {full[2]} objects the table had {full[4]}"
        return Verdict(False, text, metadata=metadata)
    same = "equal in every field" if full[3] == full[5] else f"{full[4] - full[2]} newer objects or changes were kept"
    return Verdict(True, f"{rows} rows as the last file left them; with the last full file: {same}", metadata=metadata)
