"""ZTF: schemas 3.x and 4.x, as written by IPAC and as passed on by other brokers.

Magnitudes become fluxes in nJy with the sign of the subtraction; Julian dates in UTC become MJD in TAI. ZTF gives the
start of the exposure and, in histories, no exposure time: half of the 30 s exposure of its surveys is added to every
start, so that a source has the same time whichever packet contains it. The true middle of a longer exposure is later,
by half of its excess over 30 s.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.database.point_identity import PointKind, exposures
from broker_assets.packets import light_curves
from broker_assets.packets.identifiers import point_id, ztf_object_id
from broker_assets.packets.named_objects import named_objects
from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.points import Points
from broker_assets.packets.surveys.adapter import (
    NJY_ZERO_POINT,
    Destination,
    Identity,
    SurveyAdapter,
    as_float,
    as_flux,
    as_integer,
    constant,
    packet_rows,
    without_sentinels,
)
from broker_assets.packets.tables import table
from broker_assets.packets.timescales import jd_utc_to_mjd_tai
from broker_assets.packets.values import Column, cast_where_possible

BANDS: Final = ("g", "r", "i")
"""Band of the filter identifiers 1, 2, 3."""
SENTINEL: Final = -99_998.0
"""ZTF writes −99999 where the forced photometry has no result; any value up to this one means no value."""
MAGNITUDE_ERROR: Final = math.log(10) / 2.5
"""Relative error of a flux for an error of one magnitude."""
HALF_EXPOSURE: Final = 15.0 / 86_400.0
"""Days from the start of an exposure of ZTF's surveys to its middle."""
MAGNITUDES: Final = (0.0, 90.0)
"""Magnitudes are between these; −999, 0 and 99 mean no value."""
POSITIVE: Final = ("t", "true", "1")
NEGATIVE: Final = ("f", "false", "0", "-1")
"""`isdiffpos` of a source brighter than the template, and of one that is fainter, in lower case: IPAC writes t and f,
also 1 and 0; brokers that pass alerts on write booleans, words, and 1 and −1."""

_CANDIDATE: Final = {
    "jd": ("midpointmjdtai",),
    "fid": ("band",),
    "pid": ("visit",),
    "candid": ("diasourceid",),
    "rcid": ("detector",),
    "isdiffpos": ("isnegative", "psfflux", "apflux"),
    "xpos": ("x",),
    "ypos": ("y",),
    "ra": ("ra",),
    "dec": ("decl",),
    "magpsf": ("psfflux", "psffluxerr"),
    "sigmapsf": ("psffluxerr",),
    "magap": ("apflux", "apfluxerr"),
    "sigmagap": ("apfluxerr",),
    "scorr": ("snr",),
    "rb": ("reliability",),
    "rbversion": ("reliabilityversion",),
    "drb": ("reliability",),
    "drbversion": ("reliabilityversion",),
    "exptime": ("exposuretime",),
}
"""Fields of a detection to the columns of `source` made from them."""

_REFERENCE: Final = "of the reference image or its sources, not of the detection"
_CATALOGUE: Final = "match with another catalogue; this platform matches catalogues itself"
_IMAGE: Final = "quality of the image or its calibration"
_PIPELINE: Final = "bookkeeping of ZTF's pipeline"
_SHAPE: Final = "SExtractor measurement without counterpart among our columns"
_PHOTOMETRY: Final = "follows from fluxes that are kept, or an aperture of another size"

_DROPPED_CANDIDATE: Final = {
    **dict.fromkeys(
        ("pdiffimfilename", "programpi", "programid", "tblid", "nid", "field", "tooflag", "nmatches"), _PIPELINE
    ),
    **dict.fromkeys(("magdiff", "magfromlim", "magapbig", "sigmagapbig", "dsnrms", "ssnrms", "dsdiff"), _PHOTOMETRY),
    **dict.fromkeys(
        ("distnr", "magnr", "sigmagnr", "chinr", "sharpnr", "ranr", "decnr", "rfid", "jdstartref", "jdendref",
         "nframesref"),
        _REFERENCE,
    ),
    **dict.fromkeys(
        ("sky", "fwhm", "classtar", "mindtoedge", "seeratio", "aimage", "bimage", "aimagerat", "bimagerat", "elong",
         "nneg", "nbad", "sumrat"),
        _SHAPE,
    ),
    **dict.fromkeys(
        [f"{name}{rank}" for rank in (1, 2, 3)
         for name in ("sgmag", "srmag", "simag", "szmag", "sgscore", "distpsnr", "objectidps")]
        + ["nmtchps", "neargaia", "neargaiabright", "maggaia", "maggaiabright"],
        _CATALOGUE,
    ),
    **dict.fromkeys(
        ("magzpsci", "magzpsciunc", "magzpscirms", "clrcoeff", "clrcounc", "zpclrcov", "zpmed", "clrmed", "clrrms"),
        _IMAGE,
    ),
    "chipsf": "reduced χ² without its number of pixels; our column is χ²",
    "ncovhist": "number of visits of the position; no counterpart among our columns",
    "jdendhist": "time of this detection or the one before, which are sources themselves",
}  # fmt: skip

_NEIGHBOUR: Final = {"ssnamenr": ("ssobjectid", "designation"), "ssdistnr": ("ephoffset",), "ssmagnr": ("ephvmag",)}
"""Nearest known solar-system object within 30″ to columns of `solar_system_source`."""

_LIMIT: Final = "limit of an image with a detection; only kept for images without"


def _fields() -> dict[str, Destination | tuple[Destination, ...]]:
    fields: dict[str, Destination | tuple[Destination, ...]] = {
        f"{record}.{name}": tuple(Destination("source", column) for column in columns)
        for record in ("candidate", "prv_candidates")
        for name, columns in _CANDIDATE.items()
    }
    for name, column in {"jd": "midpointmjdtai", "fid": "band", "pid": "visit", "rcid": "detector"}.items():
        fields[f"prv_candidates.{name}"] = (
            *(Destination("source", target) for target in _CANDIDATE[name]),
            Destination("nondetection", column),
        )
    fields["prv_candidates.diffmaglim"] = Destination("nondetection", "dianoise")
    for name, columns in _NEIGHBOUR.items():
        fields[f"candidate.{name}"] = tuple(Destination("solar_system_source", column) for column in columns)
    fields["objectId"] = Destination("object", "diaobjectid")
    fields["candidate.ndethist"] = Destination("object", "ndiasources")
    fields["candidate.jdstarthist"] = Destination("object", "firstdiasourcemjdtai")
    forced = {
        "jd": ("midpointmjdtai",),
        "fid": ("band",),
        "pid": ("visit", "diaforcedsourceid"),
        "rcid": ("detector",),
        "forcediffimflux": ("psfflux",),
        "forcediffimfluxunc": ("psffluxerr",),
        "magzpsci": ("psfflux", "psffluxerr"),
    }
    for name, columns in forced.items():
        fields[f"fp_hists.{name}"] = tuple(Destination("forced_source", column) for column in columns)
    return fields


def _dropped() -> dict[str, str]:
    dropped = {
        f"{record}.{name}": reason
        for record in ("candidate", "prv_candidates")
        for name, reason in _DROPPED_CANDIDATE.items()
    }
    dropped["candidate.diffmaglim"] = _LIMIT
    dropped |= {f"prv_candidates.{name}": "kept with the packet of that detection" for name in _NEIGHBOUR}
    dropped |= dict.fromkeys(
        [f"fp_hists.{name}" for name in ("distnr", "ranr", "decnr", "magnr", "sigmagnr", "chinr", "sharpnr", "rfid")],
        _REFERENCE,
    )
    dropped |= dict.fromkeys(
        [
            f"fp_hists.{name}"
            for name in (
                "sciinpseeing", "scibckgnd", "scisigpix", "magzpsciunc", "magzpscirms", "clrcoeff", "clrcounc",
                "adpctdif1", "adpctdif2",
            )
        ],
        _IMAGE,
    )  # fmt: skip
    dropped |= {
        "schemavsn": "available in the archived packet",
        "publisher": "available in the archived packet",
        "candid": "repeats candidate.candid",
        "fp_hists.field": _PIPELINE,
        "fp_hists.programid": _PIPELINE,
        "fp_hists.exptime": "our forced points have no exposure time",
        "fp_hists.diffmaglim": "limit of the image; the forced flux and its error are more informative",
        "fp_hists.procstatus": "warning codes; a failed measurement has the sentinel as its flux",
        **{
            f"cutout{kind}.fileName": "name of a file at IPAC that is not public"
            for kind in ("Science", "Template", "Difference")
        },
    }
    return dropped


class ZtfAdapter(SurveyAdapter):
    """Packets of the Zwicky Transient Facility."""

    survey = "ztf"
    FIELDS: ClassVar[Mapping[str, Destination | tuple[Destination, ...]]] = _fields()
    DROPPED: ClassVar[Mapping[str, str]] = _dropped()
    IDENTITY = ("objectId", "candidate.candid", "candidate.jd", "candidate.ra", "candidate.dec")
    CUTOUTS: ClassVar[Mapping[str, str]] = {
        "science": "cutoutScience.stampData",
        "template": "cutoutTemplate.stampData",
        "difference": "cutoutDifference.stampData",
    }
    LIGHT_CURVE: ClassVar[Collection[str]] = {*light_curves.COLUMNS, "reliabilityversion"}
    HISTORY: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "prv_candidates": ("source", "nondetection"),
        "fp_hists": ("forced_source",),
    }

    HISTORY_DAYS = 30.0

    def recognises(self, fields: Mapping[str, Sequence[str]]) -> bool:
        """Packets with an objectId and a candidate."""
        return "objectId" in fields[""] and "candidate.jd" in fields[""]

    def identity(self, root: pa.Table) -> Identity:
        """Identity of the packets; ZTF does not number solar-system objects."""
        objects = ztf_object_id(root["objectId"])
        return Identity(
            packet=as_integer(root["packet"]),
            diasourceid=as_integer(root["candidate.candid"]),
            diaobjectid=objects,
            ssobjectid=np.zeros(len(objects), dtype=np.int64),
            midpointmjdtai=_midpoint(root["candidate.jd"]),
            ra=as_float(root["candidate.ra"]),
            decl=as_float(root["candidate.dec"]),
        )

    def _points_of(self, path: str, values: pa.Table, identity: Identity) -> Points:
        packet = as_integer(values["packet"])
        rows = packet_rows(values["packet"], identity)
        objects, times = identity.diaobjectid[rows], _midpoint(values["jd"])
        end = values["@end"].to_numpy()
        if path == "fp_hists":
            numbers = point_id(objects, as_integer(values["pid"]))
            return Points.of(PointKind.FORCED, packet, objects, times, {"diaforcedsourceid": numbers}, end)
        sources = Points.of(
            PointKind.SOURCE, packet, objects, times, {"diasourceid": as_integer(values["candid"])}, end
        )
        columns = _exposure(values, identity, rows, self.survey_code)
        columns["exposure"] = exposures(columns, numbered=True)
        limits = Points.of(PointKind.LIMIT, packet, objects, times, columns, end)
        detected = np.asarray(pc.is_valid(values["candid"]))
        return replace(
            sources,
            kind=np.where(detected, sources.kind, limits.kind),
            identity=np.where(detected, sources.identity, limits.identity),
        )

    def _photometry(self, path: str, values: pa.Table, name: str, schema: AvroSchema) -> dict[str, Any]:
        points = _record(values, "candidate") if not path else values
        columns: dict[str, Any] = {
            "packet": points["packet"],
            "midpointmjdtai": _midpoint(points["jd"]),
            "band": _band(points["fid"]),
        }
        if name == "forced_source":
            return columns | {"psfflux": _forced_flux(points, "forcediffimflux", Counter())}
        sign = _sign(points["isdiffpos"], Counter())
        flux = _flux(as_float(_magnitudes(points, "magpsf", Counter()))) * sign
        return columns | _reliability(points) | {"diasourceid": points["candid"], "psfflux": flux}

    def convert(
        self, schema: AvroSchema, decoded: Mapping[str, pa.Table], identity: Identity
    ) -> tuple[dict[str, pa.Table], Counter[str]]:
        """Internal tables; see `SurveyAdapter.convert`."""
        root = decoded[""]
        candidate = _record(root, "candidate")
        omitted: Counter[str] = Counter()
        sources = [self._sources(candidate, identity, np.arange(root.num_rows), omitted, trigger=True)]
        result: dict[str, pa.Table] = {}
        if "prv_candidates" in decoded and decoded["prv_candidates"].num_rows:
            history = decoded["prv_candidates"]
            rows = packet_rows(history["packet"], identity)
            detected = np.asarray(pc.is_valid(history["candid"]))
            previous = history.filter(pa.array(detected))
            sources.append(self._sources(previous, identity, rows[detected], omitted, trigger=False))
            limits = history.filter(pa.array(~detected))
            result["nondetection"] = self._limits(limits, identity, rows[~detected], omitted)
        result["source"] = pa.concat_tables(sources, promote_options="default")
        if "fp_hists" in decoded and decoded["fp_hists"].num_rows:
            forced = decoded["fp_hists"]
            rows = packet_rows(forced["packet"], identity)
            result["forced_source"] = self._forced(forced, identity, rows, omitted)
        result["object"] = self._objects(root, identity)
        if "candidate.ssnamenr" in root.column_names:
            result["solar_system_source"] = self._neighbours(candidate, identity, omitted)
        cutouts = self.cutouts(root, identity)
        if cutouts is not None:
            result["cutout"] = cutouts
        return result, omitted

    def _sources(
        self,
        values: pa.Table,
        identity: Identity,
        rows: NDArray[np.int64],
        omitted: Counter[str],
        *,
        trigger: bool,
    ) -> pa.Table:
        sign = _sign(values["isdiffpos"], omitted)
        known_sign = np.isfinite(sign)
        columns = _exposure(values, identity, rows, self.survey_code) | {
            "trigger": constant(trigger, values.num_rows, pa.bool_()),
            "diasourceid": values["candid"],
            "ra": values["ra"],
            "decl": values["dec"],
            "isnegative": pa.array(sign < 0, mask=~known_sign),
        }
        for flux, magnitude, error in (("psfflux", "magpsf", "sigmapsf"), ("apflux", "magap", "sigmagap")):
            if magnitude in values.column_names:
                columns[flux], columns[f"{flux}err"] = magnitude_to_flux(
                    _magnitudes(values, magnitude, omitted), _magnitudes(values, error, omitted), sign, known_sign
                )
        for field, column in (("xpos", "x"), ("ypos", "y"), ("scorr", "snr")):
            if field in values.column_names:
                columns[column] = without_sentinels(values[field])
        if "exptime" in values.column_names:
            # 0 means unknown in packets older than the field.
            columns["exposuretime"] = pc.if_else(pc.greater(values["exptime"], 0), values["exptime"], None)
        columns |= _reliability(values)
        return table("source", columns, omitted)

    def _limits(self, values: pa.Table, identity: Identity, rows: NDArray[np.int64], omitted: Counter[str]) -> pa.Table:
        limit = as_float(_magnitudes(values, "diffmaglim", omitted))
        columns = _exposure(values, identity, rows, self.survey_code)
        columns["dianoise"] = as_flux(_flux(limit), np.isfinite(limit))
        return table("nondetection", columns, omitted)

    def _forced(self, values: pa.Table, identity: Identity, rows: NDArray[np.int64], omitted: Counter[str]) -> pa.Table:
        columns = _exposure(values, identity, rows, self.survey_code)
        columns["diaforcedsourceid"] = point_id(identity.diaobjectid[rows], as_integer(values["pid"]))
        # ZTF measures at the position of the alert that contains the points.
        columns["ra"], columns["decl"] = identity.ra[rows], identity.decl[rows]
        for flux, field in (("psfflux", "forcediffimflux"), ("psffluxerr", "forcediffimfluxunc")):
            columns[flux] = _forced_flux(values, field, omitted)
        return table("forced_source", columns, omitted)

    def _neighbours(self, values: pa.Table, identity: Identity, omitted: Counter[str]) -> pa.Table:
        """The nearest known solar-system object of each source that has one."""
        found = named_objects(_text(values["ssnamenr"]))
        if found.not_understood:
            omitted["solar_system_source.designation: ssnamenr is not understood"] += found.not_understood
        rows = found.row
        columns: dict[str, Any] = {
            "packet": identity.packet[rows],
            "survey": constant(self.survey_code, len(rows), pa.int16()),
            "diasourceid": identity.diasourceid[rows],
            "ssobjectid": found.identifier,
            "designation": found.unpacked,
        }
        for name, column in (("ssdistnr", "ephoffset"), ("ssmagnr", "ephvmag")):
            if name in values.column_names:
                columns[column] = without_sentinels(values[name].take(pa.array(rows)))
        return table("solar_system_source", columns, omitted)

    def _objects(self, root: pa.Table, identity: Identity) -> pa.Table:
        columns: dict[str, Any] = {
            "packet": identity.packet,
            "survey": constant(self.survey_code, root.num_rows, pa.int16()),
            "diaobjectid": identity.diaobjectid,
            "ra": identity.ra,
            "decl": identity.decl,
            "lastdiasourcemjdtai": identity.midpointmjdtai,
        }
        if "candidate.ndethist" in root.column_names:
            columns["ndiasources"] = root["candidate.ndethist"]
        if "candidate.jdstarthist" in root.column_names:
            first = _midpoint(root["candidate.jdstarthist"])
            columns["firstdiasourcemjdtai"] = pa.array(first, mask=~np.isfinite(first))
        return table("object", columns)


def magnitude_to_flux(
    magnitude: Column, error: Column, sign: NDArray[np.float64], known_sign: NDArray[np.bool_]
) -> tuple[pa.Array, pa.Array]:
    """Convert AB magnitudes of difference images to fluxes.

    Parameters
    ----------
    magnitude, error : (n,) numeric Arrow columns
        Magnitude and its standard deviation, mag.
    sign : (n,) float64 array
        1 if the source is brighter than the template, -1 if fainter.
    known_sign : (n,) bool array
        Whether the sign is known; otherwise the flux is null.

    Returns
    -------
    flux, flux_error : (n,) float32 Arrow arrays
        nJy; null if the magnitude is. The error is `|flux| · ln 10 / 2.5 · error`, to first order.

    Examples
    --------
    >>> flux, error = magnitude_to_flux(
    ...     pa.array([31.4, 28.9]), pa.array([0.1, 0.1]), np.array([1.0, -1.0]), np.array([True, True]))
    >>> [round(value, 4) for value in flux.to_pylist() + error.to_pylist()]
    [1.0, -10.0, 0.0921, 0.921]
    """
    flux = _flux(as_float(magnitude))
    known = np.asarray(pc.is_valid(magnitude))
    return (
        as_flux(flux * sign, known & known_sign),
        as_flux(flux * MAGNITUDE_ERROR * as_float(error), known & np.asarray(pc.is_valid(error))),
    )


def _flux(magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return np.power(10.0, 0.4 * (NJY_ZERO_POINT - magnitude))


def _forced_flux(values: pa.Table, field: str, omitted: Counter[str]) -> pa.Array:
    """Forced fluxes or their errors, nJy; null where the measurement failed."""
    scale = _flux(as_float(_magnitudes(values, "magzpsci", omitted)))
    counts = as_float(values[field])
    known = np.asarray(pc.is_valid(values[field])) & ~(counts <= SENTINEL) & np.isfinite(scale)
    return as_flux(counts * scale, known & (counts != -999.0))


def _exposure(values: pa.Table, identity: Identity, rows: NDArray[np.int64], survey_code: int) -> dict[str, Any]:
    """Columns common to all kinds of points: object and exposure."""
    columns = {
        "packet": values["packet"],
        "survey": constant(survey_code, values.num_rows, pa.int16()),
        "diaobjectid": identity.diaobjectid[rows],
        "midpointmjdtai": _midpoint(values["jd"]),
        "band": _band(values["fid"]),
    }
    for field, column in (("pid", "visit"), ("rcid", "detector")):
        if field in values.column_names:
            columns[column] = values[field]
    return columns


def _midpoint(start: Column) -> NDArray[np.float64]:
    """Middle of exposures, MJD TAI, from the Julian dates (UTC) of their starts."""
    return jd_utc_to_mjd_tai(as_float(start)) + HALF_EXPOSURE


def _band(filters: Column) -> pa.Array:
    """Band of the filter identifiers; null if unknown."""
    numbers = as_integer(cast_where_possible(filters, pa.int64())[0])
    known = (numbers >= 1) & (numbers <= len(BANDS))
    return pa.array(BANDS).take(pa.array(numbers - 1, mask=~known))


def _sign(spelled: Column, omitted: Counter[str]) -> NDArray[np.float64]:
    """1 for sources brighter than the template, −1 for fainter ones, NaN if that is not known."""
    text = pc.utf8_lower(pc.utf8_trim_whitespace(_text(spelled)))
    positive, negative = (np.asarray(pc.is_in(text, pa.array(words))) for words in (POSITIVE, NEGATIVE))
    unknown = int((np.asarray(pc.is_valid(text)) & ~positive & ~negative).sum())
    if unknown:
        omitted["source.isnegative: isdiffpos is not understood"] += unknown
    return np.where(positive, 1.0, np.where(negative, -1.0, np.nan))


def _magnitudes(values: pa.Table, field: str, omitted: Counter[str]) -> Column:
    """A column of magnitudes or their errors; null where a number is not a magnitude, such as −999."""
    column, lost = cast_where_possible(values[field], pa.float64())
    low, high = MAGNITUDES
    none = pc.or_(
        pc.greater_equal(column, high), (pc.less if field.startswith("sigma") else pc.less_equal)(column, low)
    )
    column = pc.if_else(none, None, column)
    lost = column.null_count - values[field].null_count
    if lost:
        omitted[f"{field}: no magnitude"] += lost
    return column


def _reliability(values: pa.Table) -> dict[str, Column]:
    """The deep-learning score if there is one, else that of the random forest."""
    names = values.column_names
    if "drb" not in names:
        return {
            column: values[field]
            for field, column in (("rb", "reliability"), ("rbversion", "reliabilityversion"))
            if field in names
        }
    deep = pc.is_valid(values["drb"])
    if "drbversion" in names:
        # Packets from before the score existed that are passed on in a newer schema have a score of 0 without a
        # version.
        deep = pc.and_(deep, pc.not_equal(pc.fill_null(_text(values["drbversion"]), ""), ""))
    columns = {"reliability": without_sentinels(pc.if_else(deep, values["drb"], values["rb"]))}
    if "drbversion" in names and "rbversion" in names:
        columns["reliabilityversion"] = pc.if_else(deep, values["drbversion"], values["rbversion"])
    return columns


def _record(root: pa.Table, name: str) -> pa.Table:
    """Fields of a nested record by their short names, with `packet`."""
    prefix = f"{name}."
    names = [column for column in root.column_names if column == "packet" or column.startswith(prefix)]
    return root.select(names).rename_columns([column.removeprefix(prefix) for column in names])


def _text(column: Column) -> Column:
    return column if pa.types.is_string(column.type) else pc.cast(column, pa.string())
