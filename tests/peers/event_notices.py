"""Notices of events in the formats of GCN, with invented values: JSON in its schema, and VOEvents."""

from __future__ import annotations

import json
from typing import Any

TRIGGER = "2026-11-28T21:46:05.130Z"
"""Time of the events."""


def guano(number: int, kind: str = "update", **fields: Any) -> bytes:
    """A notice of Swift/BAT-GUANO; the first has no position."""
    record: dict[str, Any] = {
        "$schema": "https://gcn.nasa.gov/schema/v7.2.3/gcn/notices/swift/bat/Guano.schema.json",
        "mission": "Swift", "instrument": "BAT-GUANO", "messenger": "EM", "record_number": number,
        "alert_datetime": f"2026-11-28T22:{number:02d}:36.0Z", "alert_tense": "current", "alert_type": kind,
        "trigger_time": TRIGGER, "rate_snr": 14.1, "far": 2e-5, "id": ["812345678"],
        "follow_up_event": "Fermi 812345670", "follow_up_type": "GRB",
    }  # fmt: skip
    return json.dumps(record | fields).encode()


def einstein_probe(identifier: str = "01709131337", **fields: Any) -> bytes:
    """A notice of Einstein Probe/WXT: without time of issue, type and containment."""
    record: dict[str, Any] = {
        "$schema": "https://gcn.nasa.gov/schema/v7.2.3/gcn/notices/einstein_probe/wxt/alert.schema.json",
        "instrument": "WXT", "trigger_time": TRIGGER, "id": [identifier], "ra": 150.25, "dec": -12.5,
        "ra_dec_error": 0.05, "image_energy_range": [0.5, 4], "net_count_rate": 0.7, "image_snr": 9.2,
    }  # fmt: skip
    return json.dumps(record | fields).encode()


def icecube(revision: int = 1, kind: str = "initial", **fields: Any) -> bytes:
    """A notice of a single neutrino: circle and sky map."""
    record: dict[str, Any] = {
        "mission": "IceCube", "instrument": "IC86", "messenger": "Neutrino", "pipeline": "Gold Track Alert",
        "record_number": revision, "event_name": ["IceCube-261128A"], "id": ["141234_7654321"],
        "alert_datetime": f"2026-11-28T22:{10 * revision:02d}:00Z", "alert_type": kind, "alert_tense": "current",
        "alert_topology": "Track", "ra": 345.1, "dec": 9.5, "ra_dec_error": 0.6, "containment_probability": 0.9,
        "systematic_included": False, "healpix_url": "https://example.org/skymap.fits.gz", "trigger_time": TRIGGER,
    }  # fmt: skip
    return json.dumps(record | fields).encode()


def coincidence(events: int = 2) -> bytes:
    """A search for neutrinos near a gravitational-wave event, which found some."""
    record = {
        "type": "IceCube LVK Alert Nu Track Search", "ref_ID": "S261128ab", "alert_datetime": "2026-11-28T22:30:00Z",
        "trigger_time": TRIGGER, "n_events_coincident": events, "pval_generic": 0.02,
        "coincident_events": [
            {
                "event_dt": 12.5,
                "localization": {"ra": 20.0 + number, "dec": 16.0, "ra_dec_error": 0.5, "containment_probability": 0.9},
                "id": [f"141235_{number}"], "event_pval_generic": 0.02, "event_pval_bayesian": None,
            }
            for number in range(events)
        ],
        "most_probable_direction": {"ra": 20.3, "dec": 16.1},
    }  # fmt: skip
    return json.dumps(record).encode()


def voevent(
    ivorn: str = "ivo://nasa.gsfc.gcn/SWIFT#XRT_Pos_1299999-811",
    *,
    trigger: str | None = "1299999",
    ra: str = "83.6331",
    dec: str = "22.0145",
    error: str = "0.0014",
    params: str = "",
    citations: str = "",
    role: str = "observation",
    frame: str = "UTC-FK5-GEO",
    unit: str = "deg",
    where: str = "The RA,Dec coordinates are of the type: source_object.",
    issued: str = "2026-11-28T21:48:01",
    time: str = "2026-11-28T21:46:05.13",
) -> bytes:
    """A VOEvent as GCN makes it of the notices of a satellite."""
    identifier = f'<Param name="TrigID" value="{trigger}" ucd="meta.id" />' if trigger else ""
    return f"""<?xml version = '1.0' encoding = 'UTF-8'?>
<voe:VOEvent ivorn="{ivorn}" role="{role}" version="2.0" xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <Who>
    <AuthorIVORN>ivo://nasa.gsfc.tan/gcn</AuthorIVORN>
    <Date>{issued}</Date>
  </Who>
  <What>
    <Param name="Packet_Type" value="67" />
    <Param name="Pkt_Ser_Num" value="1" />
    {identifier}
    {params}
  </What>
  <WhereWhen>
    <ObsDataLocation>
      <ObservatoryLocation id="GEOLUN" />
      <ObservationLocation>
        <AstroCoordSystem id="{frame}" />
        <AstroCoords coord_system_id="{frame}">
          <Time unit="s"><TimeInstant><ISOTime>{time}</ISOTime></TimeInstant></Time>
          <Position2D unit="{unit}">
            <Name1>RA</Name1><Name2>Dec</Name2>
            <Value2><C1>{ra}</C1><C2>{dec}</C2></Value2>
            <Error2Radius>{error}</Error2Radius>
          </Position2D>
        </AstroCoords>
      </ObservationLocation>
    </ObsDataLocation>
    <Description>{where}</Description>
  </WhereWhen>
  <Citations>{citations}</Citations>
</voe:VOEvent>
""".encode()


def svom(level: str = "eclairs-wakeup", *, packet: int = 202, citations: str = "", minute: int = 2) -> bytes:
    """A VOEvent of SVOM: the burst is in a group, and retractions are packets of their own."""
    group = '<Group name="Svom_Identifiers"><Param name="Burst_Id" value="sb26112801" ucd="meta.id"/></Group>'
    content = voevent(
        f"ivo://org.svom/fsc#sb26112801_{level}", trigger=None, params=group, citations=citations,
        frame="UTC-ICRS-GEO", ra="337.5347", dec="-0.3918", error="0.1962",
        issued=f"2026-11-28T22:{minute:02d}:15+00:00",
    )  # fmt: skip
    return content.replace(b'name="Packet_Type" value="67"', f'name="Packet_Type" value="{packet}"'.encode())
