"""Rubin: schemas lsst.v7 to lsst.v11.

Fields have the names of our columns, except for case and those in `_RENAMED`; fluxes are already in nJy, times in MJD
TAI and positions in ICRS degrees. If a future version has a field with the documented name of one of our columns, it
fills that column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.surveys.adapter import (
    Destination,
    Identity,
    SurveyAdapter,
    as_float,
    as_integer,
    constant,
    objects_of,
    timestamp_to_mjd_tai,
)
from broker_assets.packets.tables import SCHEMAS, SQL_TABLES, table
from broker_assets.packets.values import Column

NONDETECTION_SIGMA: Final = 5.0
"""Rubin's `diaNoise` is one standard deviation of the noise, in nJy (E. Bellm, community.lsst.org topic 7067); our
column is the detection limit of five standard deviations (LSE-163, `transSNR`)."""

_RECORDS: Final = {
    "diaSource": "source",
    "prvDiaSources": "source",
    "prvDiaForcedSources": "forced_source",
    "prvDiaNondetectionLimits": "nondetection",
    "diaObject": "object",
    "ssSource": "solar_system_source",
    "ssObject": "solar_system_object",
    "mpc_orbits": "orbit",
    "MPCORB": "orbit",
}
"""Record or array of the packet to internal table."""

_RENAMED: Final[Mapping[str, Mapping[str, str]]] = {
    "source": {"dec": "decl", "is_negative": "isnegative", "time_processed": "timeprocessedmjdtai"},
    "forced_source": {"dec": "decl", "time_processed": "timeprocessedmjdtai"},
    "nondetection": {},
    "object": {"dec": "decl", "validityStart": "validitystartmjdtai"},
    "solar_system_source": {
        "eclipticLambda": "ecllambda",
        "eclipticBeta": "eclbeta",
        "galacticL": "gallon",
        "galacticB": "gallat",
        "heliocentricDist": "heliorange",
        "topocentricDist": "toporange",
        "predictedVMagnitude": "ephvmag",
    },
    "solar_system_object": {
        "firstObservationDate": "firstobservationmjdtai",
        "numObs": "nobs",
        "MOID": "moidearth",
        "MOIDTrueAnomaly": "moidearthtrueanomaly",
        "MOIDEclipticLongitude": "moideartheclipticlongitude",
        "MOIDDeltaV": "moidearthdeltav",
        "medianExtendedness": "extendednessmedian",
        **{f"{band}_Ndata": f"{band}_nobsused" for band in "ugrizy"},
    },
    "orbit": {
        # Schemas 8 and 9 have the designation in packed form only: it is then also the key.
        "mpcDesignation": "designation",
        "mpcH": "h",
        "epoch": "epoch_mjd",
        "M": "mean_anomaly",
        "peri": "argperi",
        "incl": "i",
        "t_p": "peri_time",
    },
}
"""Field to column, if the column is not the field in lower case."""


def _five_sigma(column: Column) -> Column:
    return pc.multiply(column, pa.scalar(NONDETECTION_SIGMA, type=column.type))


_CONVERTED: Final[Mapping[str, Callable[[Column], Column]]] = {
    "time_processed": timestamp_to_mjd_tai,
    "validityStart": timestamp_to_mjd_tai,
    "diaNoise": _five_sigma,
}


def _fields() -> dict[str, Destination | tuple[Destination, ...]]:
    fields: dict[str, Destination | tuple[Destination, ...]] = {}
    for record, name in _RECORDS.items():
        # Without columns that the ingest fills, in case a field ever has the name of one.
        for column in (SQL_TABLES[name].columns[item] for item in SCHEMAS[name].names if item in SQL_TABLES[name].c):
            documented = column.info.get("documented", column.name)
            fields[f"{record}.{documented}"] = Destination(name, column.name, _CONVERTED.get(documented))
        for field, renamed in _RENAMED[name].items():
            fields[f"{record}.{field}"] = Destination(name, renamed, _CONVERTED.get(field))
    fields["MPCORB.mpcDesignation"] = (
        Destination("orbit", "designation"),
        Destination("orbit", "packed_primary_provisional_designation"),
    )
    fields["observation_reason"] = Destination("source", "observation_reason")
    fields["target_name"] = Destination("source", "target_name")
    return fields


class RubinAdapter(SurveyAdapter):
    """Packets of the Vera C. Rubin Observatory."""

    survey = "rubin"
    FIELDS: ClassVar[Mapping[str, Destination | tuple[Destination, ...]]] = _fields()
    DROPPED: ClassVar[Mapping[str, str]] = {
        "alertId": "number of the message (schema 7), equal to the identifier of its source",
        "diaSourceId": "repeats diaSource.diaSourceId",
    }
    IDENTITY = (
        "diaSource.diaSourceId",
        "diaSource.diaObjectId",
        "diaSource.ssObjectId",
        "diaSource.midpointMjdTai",
        "diaSource.ra",
        "diaSource.dec",
    )
    CUTOUTS: ClassVar[Mapping[str, str]] = {
        "science": "cutoutScience",
        "template": "cutoutTemplate",
        "difference": "cutoutDifference",
    }
    OPTIONAL = ("diaObject", "ssSource", "ssObject", "mpc_orbits", "MPCORB")
    HISTORY: ClassVar[Mapping[str, tuple[str, ...]]] = {
        path: (_RECORDS[path],) for path in ("prvDiaSources", "prvDiaForcedSources", "prvDiaNondetectionLimits")
    }

    def recognises(self, fields: Mapping[str, Sequence[str]]) -> bool:
        """Packets with a diaSource and Rubin's name of its time."""
        return "diaSource.midpointMjdTai" in fields[""]

    def identity(self, root: pa.Table) -> Identity:
        """Identity of the packets."""
        return Identity(
            packet=as_integer(root["packet"]),
            diasourceid=as_integer(root["diaSource.diaSourceId"]),
            diaobjectid=as_integer(root["diaSource.diaObjectId"]),
            ssobjectid=as_integer(root["diaSource.ssObjectId"]),
            midpointmjdtai=as_float(root["diaSource.midpointMjdTai"]),
            ra=as_float(root["diaSource.ra"]),
            decl=as_float(root["diaSource.dec"]),
        )

    def convert(
        self, schema: AvroSchema, decoded: Mapping[str, pa.Table], identity: Identity
    ) -> tuple[dict[str, pa.Table], Counter[str]]:
        """Internal tables; see `SurveyAdapter.convert`."""
        root = decoded[""]
        omitted: Counter[str] = Counter()
        result: dict[str, list[pa.Table]] = {}
        trigger = self.move("", root, "source", omitted)
        trigger["diaobjectid"] = identity.diaobjectid
        trigger["ssobjectid"] = _absent_as_null(trigger["ssobjectid"])
        trigger["trigger"] = constant(True, root.num_rows, pa.bool_())
        result["source"] = [table("source", trigger, omitted)]
        for path in self.HISTORY:
            if path in decoded and decoded[path].num_rows:
                points = self._points(path, decoded[path], identity, omitted)
                result.setdefault(_RECORDS[path], []).append(points)
        for record in self.OPTIONAL:
            rows = self.present(root, record)
            if len(rows):
                part = self._summary(record, root.take(rows), identity, rows, omitted)
                result.setdefault(_RECORDS[record], []).append(part)
        tables = {name: pa.concat_tables(parts, promote_options="default") for name, parts in result.items()}
        cutouts = self.cutouts(root, identity)
        if cutouts is not None:
            tables["cutout"] = cutouts
        return tables, omitted

    def _points(self, path: str, values: pa.Table, identity: Identity, omitted: Counter[str]) -> pa.Table:
        name = _RECORDS[path]
        points = self.move(path, values, name, omitted)
        points["diaobjectid"] = objects_of(points, identity)
        if name == "source":
            points["ssobjectid"] = _absent_as_null(points["ssobjectid"])
            points["trigger"] = constant(False, values.num_rows, pa.bool_())
        return table(name, points, omitted)

    def _summary(
        self,
        record: str,
        root: pa.Table,
        identity: Identity,
        rows: np.ndarray,
        omitted: Counter[str],
    ) -> pa.Table:
        """Rows of a record that a packet has at most once, without the fields of the other records."""
        name = _RECORDS[record]
        wanted = [column for column in root.column_names if column == "packet" or column.startswith(f"{record}.")]
        values = self.move("", root.select(wanted), name, omitted)
        if name == "object":
            values["lastdiasourcemjdtai"] = identity.midpointmjdtai[rows]
        elif name == "solar_system_source":
            values["diasourceid"] = identity.diasourceid[rows]
            own = as_integer(values["ssobjectid"]) if "ssobjectid" in values else 0
            values["ssobjectid"] = _absent_as_null(pa.array(np.where(own != 0, own, identity.ssobjectid[rows])))
        else:
            values["lastdiasourcemjdtai"] = identity.midpointmjdtai[rows]
        if name == "orbit":
            if "ssobjectid" not in values:
                values["ssobjectid"] = _absent_as_null(pa.array(identity.ssobjectid[rows]))
            if "mpc_orb_jsonb" in values:
                values |= {key: _from_solution(values["mpc_orb_jsonb"], key) for key in ("permid", "iau_name")}
        return table(name, values, omitted)


def _from_solution(documents: Column, key: str) -> Column:
    """A text in the orbit solutions (JSON) of the Minor Planet Center, the rest of which is not used; null if empty."""
    found = pc.extract_regex(pc.cast(documents, pa.string()), rf'"{key}": *"(?P<value>[^"\\]+)"')
    return pc.struct_field(found, "value")


def _absent_as_null(identifiers: Column) -> Column:
    """Rubin writes either 0 or null if there is no object."""
    return pc.if_else(pc.equal(identifiers, 0), pa.scalar(None, type=identifiers.type), identifiers)
