"""ELAsTiCC, the simulated alert stream of DESC: schemas elasticc.v0_9 and v0_9_1.

Fluxes of the streams of both campaigns are nJy (SNANA's FLUXCAL with zero point 27.5 was multiplied by
10^((31.4 − 27.5) / 2.5) before sending: TOM DESC, `load_snana_fits`; fink-science issue 243). The test alerts of
early 2022, before the first campaign, contain FLUXCAL itself; their schema, also called v0_9, is recognised by its
fields `hostgal_z`, later `hostgal_zspec`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.surveys.adapter import (
    NJY_ZERO_POINT,
    Destination,
    Identity,
    SurveyAdapter,
    as_float,
    as_integer,
    constant,
    objects_of,
    without_sentinels,
)
from broker_assets.packets.surveys.fields import leaf_fields
from broker_assets.packets.surveys.rubin import NONDETECTION_SIGMA
from broker_assets.packets.tables import table
from broker_assets.packets.values import Column, cast_where_possible

FLUXCAL_ZERO_POINT: Final = 27.5
"""AB magnitude of SNANA's FLUXCAL of 1."""
FLUXCAL_TO_NJY: Final = 10 ** ((NJY_ZERO_POINT - FLUXCAL_ZERO_POINT) / 2.5)

_RECORDS: Final = {
    "diaSource": "source",
    "prvDiaSources": "source",
    "prvDiaForcedSources": "forced_source",
    "prvDiaNondetectionLimits": "nondetection",
    "diaObject": "object",
}
_FLUXES: Final = ("psfflux", "psffluxerr", "scienceflux", "sciencefluxerr", "dianoise")

_HOST: Final = "simulated host galaxy; classifiers read it from the archived packet"
_QUANTILES: Final = (
    *(f"zphot_q{quantile:03d}" for quantile in range(0, 101, 10)),
    *(f"zphot_q{quantile}" for quantile in (*range(10, 91, 10), 99)),
)
_HOST_FIELDS: Final = (
    *("ellipticity", "sqradius", "zspec", "zspec_err", "z", "z_err", "zphot", "zphot_err", "zphot_p50"),
    *_QUANTILES,
    *(f"{kind}_{band}" for kind in ("mag", "magerr") for band in "ugrizY"),
    *("ra", "dec", "snsep"),
)


def _lower(bands: Column) -> Column:
    """Names of bands in lower case: ELAsTiCC writes Y."""
    return pc.utf8_lower(pc.utf8_trim_whitespace(bands))


def _fields() -> dict[str, Destination | tuple[Destination, ...]]:
    exposure = {"midPointTai": "midpointmjdtai", "filterName": "band"}
    flux = {"psFlux": "psfflux", "psFluxErr": "psffluxerr"}
    source = {
        "diaSourceId": "diasourceid",
        "diaObjectId": "diaobjectid",
        "parentDiaSourceId": "parentdiasourceid",
        "ra": "ra",
        "decl": "decl",
        "snr": "snr",
        **exposure,
        **flux,
    }
    fields = {
        "diaSource": source,
        "prvDiaSources": source,
        "prvDiaForcedSources": {
            "diaForcedSourceId": "diaforcedsourceid",
            "diaObjectId": "diaobjectid",
            "totFlux": "scienceflux",
            "totFluxErr": "sciencefluxerr",
            **exposure,
            **flux,
        },
        "prvDiaNondetectionLimits": {"ccdVisitId": "ccdvisitid", "diaNoise": "dianoise", **exposure},
        "diaObject": {"diaObjectId": "diaobjectid", "ra": "ra", "decl": "decl", "mwebv": "ebv"},
    }
    converted: Mapping[str, Callable[[Column], Column]] = {"filterName": _lower, "mwebv": without_sentinels}
    return {
        f"{record}.{field}": Destination(_RECORDS[record], column, converted.get(field))
        for record, columns in fields.items()
        for field, column in columns.items()
    }


def _scale(schema: AvroSchema) -> float:
    """Factor from the fluxes of a schema to nJy."""
    return FLUXCAL_TO_NJY if "diaObject.hostgal_z" in leaf_fields(schema)[""] else 1.0


class ElasticcAdapter(SurveyAdapter):
    """Packets of the ELAsTiCC campaigns."""

    survey = "elasticc"
    FIELDS: ClassVar[Mapping[str, Destination | tuple[Destination, ...]]] = _fields()
    DROPPED: ClassVar[Mapping[str, str]] = {
        "alertId": "number of the message, equal to the identifier of its source",
        "cutoutDifference": "never filled in the simulation",
        "cutoutTemplate": "never filled in the simulation",
        **{
            f"{record}.{field}": reason
            for record in ("diaSource", "prvDiaSources")
            for field, reason in (
                ("ccdVisitId", "a constant: the simulation has no visits"),
                ("nobs", "number of points of the simulated light curve"),
            )
        },
        "prvDiaForcedSources.ccdVisitId": "a constant: the simulation has no visits",
        "diaObject.simVersion": "version of the simulation; available in the archived packet",
        "diaObject.mwebv_err": "our reddening has no error",
        "diaObject.z_final": _HOST,
        "diaObject.z_final_err": _HOST,
        **{f"diaObject.{host}_{field}": _HOST for host in ("hostgal", "hostgal2") for field in _HOST_FIELDS},
    }
    IDENTITY = (
        "diaSource.diaSourceId",
        "diaSource.diaObjectId",
        "diaSource.midPointTai",
        "diaSource.ra",
        "diaSource.decl",
    )
    CUTOUTS: ClassVar[Mapping[str, str]] = {}
    OPTIONAL = ("diaObject",)
    HISTORY: ClassVar[Mapping[str, tuple[str, ...]]] = {
        path: (_RECORDS[path],) for path in ("prvDiaSources", "prvDiaForcedSources", "prvDiaNondetectionLimits")
    }
    NUMBERS_EXPOSURES = False  # the simulation has no visits: `ccdVisitId` is a constant

    def recognises(self, fields: Mapping[str, Sequence[str]]) -> bool:
        """Packets with a diaSource and ELAsTiCC's name of its flux."""
        return "diaSource.midPointTai" in fields[""] and "diaSource.psFlux" in fields[""]

    def identity(self, root: pa.Table) -> Identity:
        """Identity of the packets; the simulation has no solar-system objects."""
        return Identity(
            packet=as_integer(root["packet"]),
            diasourceid=as_integer(root["diaSource.diaSourceId"]),
            diaobjectid=as_integer(root["diaSource.diaObjectId"]),
            ssobjectid=np.zeros(root.num_rows, dtype=np.int64),
            midpointmjdtai=as_float(root["diaSource.midPointTai"]),
            ra=as_float(root["diaSource.ra"]),
            decl=as_float(root["diaSource.decl"]),
        )

    def _photometry(self, path: str, values: pa.Table, name: str, schema: AvroSchema) -> dict[str, Any]:
        return self._scaled(self.move(path, values, name), _scale(schema), Counter())

    def convert(
        self, schema: AvroSchema, decoded: Mapping[str, pa.Table], identity: Identity
    ) -> tuple[dict[str, pa.Table], Counter[str]]:
        """Internal tables; see `SurveyAdapter.convert`."""
        root = decoded[""]
        scale = _scale(schema)
        omitted: Counter[str] = Counter()
        trigger = self._scaled(self.move("", root, "source", omitted), scale, omitted)
        trigger["diaobjectid"] = identity.diaobjectid
        trigger["trigger"] = constant(True, root.num_rows, pa.bool_())
        result: dict[str, list[pa.Table]] = {"source": [table("source", trigger, omitted)]}
        for path in self.HISTORY:
            if path in decoded and decoded[path].num_rows:
                points = self._points(path, decoded[path], identity, scale, omitted)
                result.setdefault(_RECORDS[path], []).append(points)
        rows = self.present(root, "diaObject")
        if len(rows):
            values = self.move("", root.take(rows), "object", omitted)
            values["lastdiasourcemjdtai"] = identity.midpointmjdtai[rows]
            result["object"] = [table("object", values, omitted)]
        return {name: pa.concat_tables(parts, promote_options="default") for name, parts in result.items()}, omitted

    def _points(self, path: str, values: pa.Table, identity: Identity, scale: float, omitted: Counter[str]) -> pa.Table:
        name = _RECORDS[path]
        points = self._scaled(self.move(path, values, name, omitted), scale, omitted)
        points["diaobjectid"] = objects_of(points, identity)
        if name == "source":
            points["trigger"] = constant(False, values.num_rows, pa.bool_())
        return table(name, points, omitted)

    @staticmethod
    def _scaled(columns: dict[str, Any], scale: float, omitted: Counter[str]) -> dict[str, Any]:
        for name in _FLUXES:
            factor = scale * (NONDETECTION_SIGMA if name == "dianoise" else 1.0)
            if name in columns and factor != 1.0:
                numbers, lost = cast_where_possible(columns[name], pa.float64())
                if lost:
                    omitted[f"{name}: not a number"] += lost
                columns[name] = pc.multiply(numbers, factor)
        return columns
