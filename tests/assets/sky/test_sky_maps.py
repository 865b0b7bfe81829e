"""An event is followed from its notice to its hits and files."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from followed_lists import add_objects

from broker_assets.build import build_defs
from broker_assets.resources.object_store import ObjectStore
from broker_assets.storage.published import read_published

pytestmark = pytest.mark.database


def event_map() -> bytes:
    """A map with its probability in four cells of order 3, the first of them around (45, 5)."""
    pixels = np.arange(12 * 4**3)
    density = np.zeros(len(pixels))
    density[:4] = np.array([0.5, 0.25, 0.15, 0.1]) / (np.pi / 3 / 4**3)
    table = fits.BinTableHDU.from_columns(
        [fits.Column("UNIQ", "K", array=pixels + 4 * 4**3), fits.Column("PROBDENSITY", "D", array=density)]
    )
    table.header["COORDSYS"] = "C"
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(buffer)
    return buffer.getvalue()


def event_notice(kind: str, minute: int) -> bytes:
    details = {
        "time": (datetime.now(UTC) - timedelta(days=1)).isoformat(),
        "far": 1e-9,
        "classification": {"BNS": 1.0},
        "skymap": base64.b64encode(event_map()).decode(),
    }
    record = {
        "superevent_id": "S261120a",
        "alert_type": kind,
        "time_created": f"2026-11-20T10:{minute:02d}:00Z",
        "event": None if kind == "RETRACTION" else details,
    }
    return json.dumps(record).encode()


def test_an_event_is_followed_to_its_hits_and_files(
    platform: Any, packets: ModuleType, follow: Callable[[], list[str]]
) -> None:
    settings = platform.settings
    platform.settings = settings.model_copy(update={"notices": type(settings.notices)(topic="igwn.gwalert")})
    notices = type(platform.kafka)(packets, platform.settings)
    overrides = {"database": platform.database, "kafka": notices}
    platform.definitions = build_defs(settings=platform.settings, resource_overrides=overrides)
    add_objects(platform, [(45.0, 4.8), (200.0, -40.0)])
    platform.execute(f"UPDATE objects SET lastdiasourcemjdtai = {Time.now().tai.mjd - 1.0}")
    for value in (event_notice("INITIAL", 1), b"rubbish"):
        notices.content.append(0, value)
    assert platform.run("read_notices").success
    assert platform.query("SELECT count(*) FROM quarantine") == [(1,)]
    done = follow()
    [(identifier,)] = platform.query("SELECT mw_id FROM mma_areas WHERE active")
    assert done[0] == "match_lists"
    assert done[1].startswith(f"sky_map:{identifier}_")
    [(hit, contour)] = platform.query("SELECT diaobjectid, contour FROM mma_area_hits")
    assert hit == 1
    assert contour == pytest.approx(50.0)
    _, files = read_published(ObjectStore.of(platform.settings).path("sky_maps", f"mw_{identifier}"))
    assert {"10.moc", "90.moc", "map.fits"} <= files.keys()
    notices.content.append(0, event_notice("RETRACTION", 2))
    assert platform.run("read_notices").success
    follow()
    assert platform.query("SELECT active FROM mma_areas") == [(False,)]
