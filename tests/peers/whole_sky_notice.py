"""A notice of a gravitational-wave event whose map covers the whole sky, as GCN sends it."""

from __future__ import annotations

import base64
import datetime
import io
import json
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table


def whole_sky_notice(event: str, time: datetime.datetime, kind: str = "PRELIMINARY") -> bytes:
    """A notice; nine tenths of the probability is most of the sky."""
    record: dict[str, Any] = {
        "superevent_id": event,
        "alert_type": kind,
        "time_created": "2025-10-01T10:00:00Z",
        "urls": {"gracedb": "https://example.org/event"},
        "event": None
        if kind == "RETRACTION"
        else {
            "time": time.isoformat().replace("+00:00", "Z"),
            "far": 1e-9,
            "classification": {"BNS": 0.9, "BBH": 0.1},
            "skymap": base64.b64encode(sky_map()).decode(),
        },
    }
    return json.dumps(record).encode()


def sky_map(order: int = 1, name: str = "event") -> bytes:
    """A small multi-order map of the whole sky."""
    pixels = 12 * 4**order
    density = np.linspace(1, 2, pixels)
    density /= (density * 4 * np.pi / pixels).sum()
    table = Table(
        {
            "UNIQ": np.arange(pixels) + 4 * 4**order,
            "PROBDENSITY": density / u.sr,
            "DISTMU": np.full(pixels, 40.0) * u.Mpc,
            "DISTSIGMA": np.full(pixels, 8.0) * u.Mpc,
            "DISTNORM": np.full(pixels, 1.0),
        }
    )
    table.meta |= {"PIXTYPE": "HEALPIX", "ORDERING": "NUNIQ", "COORDSYS": "C", "OBJECT": name}
    buffer = io.BytesIO()
    table.write(buffer, format="fits")
    return buffer.getvalue()
