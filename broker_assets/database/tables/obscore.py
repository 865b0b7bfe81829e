"""Product files of telemetry as observations in the data model ObsCore 1.1 (IVOA, REC-ObsCore-v1.1).

The view has the current files. Times are MJD UTC, as in the files; they are null for a file with on-board times only.
The instrument looks at the Sun from a spacecraft: positions on the sky are unknown, which the model allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from broker_assets.database.tables.telemetry import product_file

OBSCORE: Final = "obscore"
"""Name of the view in the database."""
COLLECTION: Final = "STIX"
"""`obs_collection`."""
AUTHORITY: Final = "broker-assets"
"""Authority of identifiers, if the server has not been registered under one of its own."""


@dataclass(frozen=True)
class Observed:
    """A column of ObsCore."""

    name: str
    datatype: str
    """Datatype of VOTable."""
    utype: str
    """Without the prefix; empty for a column that is not in the standard."""
    ucd: str
    unit: str
    meaning: str
    sql: str
    """Expression over `product_file`, in PostgreSQL."""
    xtype: str = ""


# An ISO date that PostgreSQL reads; on-board times have another form.
_ISO: Final = r"'^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d(:[0-5]\d(\.\d+)?)?Z?$'"
_SPECTRAL: Final = "kind ~ '^(sci-xray|ql-(lightcurve|background|spectra|variance)|cal-energy)'"
_HC: Final = 1.2398419843320026e-9
"""Wavelength of a photon of 1 keV, metres: h c / e (exact, SI 2019)."""


def _mjd(column: str) -> str:
    return (
        f"CASE WHEN {column} ~ {_ISO} THEN extract(epoch FROM (rtrim({column}, 'Z') || '+00')::timestamptz)"
        "::double precision / 86400 + 40587 END"
    )


_NULL_REAL: Final = "NULL::double precision"
_NULL_LONG: Final = "NULL::bigint"
COLUMNS: Final = (
    Observed("dataproduct_type", "char", "ObsDataset.dataProductType", "meta.code.class", "",
             "Kind of data: spectrum, timeseries, …",
             "CASE WHEN kind ~ 'spectra|energy' THEN 'spectrum' WHEN kind ~ '^sci-xray-(vis|.*pd)' THEN 'visibility'"
             " WHEN kind ~ '^(ql|hk|asp|sci-xray-spec|sci-aspect)' THEN 'timeseries' END"),
    Observed("calib_level", "int", "ObsDataset.calibLevel", "meta.code;obs.calib", "",
             "Level of calibration, 0 (raw) to 4",
             "CASE WHEN level IN ('LB', 'L0', 'LL01') THEN 0 WHEN level IN ('L1', 'LL03') THEN 1 ELSE 2 END"),
    Observed("obs_collection", "char", "DataID.collection", "meta.id", "", "Collection", f"'{COLLECTION}'::text"),
    Observed("obs_id", "char", "DataID.observationID", "meta.id", "",
             "Observation: day or request, and kind of product",
             "COALESCE('request ' || request, 'day ' || day) || ' ' || kind"),
    Observed("obs_publisher_did", "char", "Curation.publisherDID", "meta.ref.ivoid", "",
             "Identifier of the file", f"'ivo://{AUTHORITY}/products?' || productfileid"),
    Observed("access_url", "char", "Access.reference", "meta.ref.url", "", "Where it is downloaded",
             "COALESCE(current_setting('broker.address', true), '') || '/api/v1/products/' || productfileid"
             " || '/file'"),
    Observed("access_format", "char", "Access.format", "meta.code.mime", "", "Media type",
             "'application/fits'::text"),
    Observed("access_estsize", "long", "Access.size", "phys.size;meta.file", "kbyte", "Size of the file",
             "(size + 999) / 1000"),
    Observed("target_name", "char", "Target.name", "meta.id;src", "", "What was looked at", "'Sun'::text"),
    Observed("s_ra", "double", "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1", "pos.eq.ra", "deg",
             "Right ascension of the centre, ICRS; unknown", _NULL_REAL),
    Observed("s_dec", "double", "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2", "pos.eq.dec", "deg",
             "Declination of the centre, ICRS; unknown", _NULL_REAL),
    Observed("s_fov", "double", "Char.SpatialAxis.Coverage.Bounds.Extent.diameter", "phys.angSize;instr.fov", "deg",
             "Diameter of the region; unknown", _NULL_REAL),
    Observed("s_region", "char", "Char.SpatialAxis.Coverage.Support.Area", "pos.outline;obs.field", "",
             "Region on the sky; unknown", "NULL::text", "adql:REGION"),
    Observed("s_xel1", "long", "Char.SpatialAxis.numBins1", "meta.number", "", "Pixels along the first axis; none",
             _NULL_LONG),
    Observed("s_xel2", "long", "Char.SpatialAxis.numBins2", "meta.number", "", "Pixels along the second axis; none",
             _NULL_LONG),
    Observed("s_resolution", "double", "Char.SpatialAxis.Resolution.Refval.value", "pos.angResolution", "arcsec",
             "Resolution; unknown", _NULL_REAL),
    Observed("t_min", "double", "Char.TimeAxis.Coverage.Bounds.Limits.StartTime", "time.start;obs.exposure", "d",
             "Start, MJD UTC at the spacecraft", _mjd("starts")),
    Observed("t_max", "double", "Char.TimeAxis.Coverage.Bounds.Limits.StopTime", "time.end;obs.exposure", "d",
             "End, MJD UTC at the spacecraft", _mjd("ends")),
    Observed("t_exptime", "double", "Char.TimeAxis.Coverage.Support.Extent", "time.duration;obs.exposure", "s",
             "Time covered; gaps are not taken off",
             f"(({_mjd('ends')}) - ({_mjd('starts')})) * 86400"),
    Observed("t_resolution", "double", "Char.TimeAxis.Resolution.Refval.value", "time.resolution", "s",
             "Smallest time bin; it varies within a file", _NULL_REAL),
    Observed("t_xel", "long", "Char.TimeAxis.numBins", "meta.number", "", "Rows of the data table", '"rows"'),
    Observed("em_min", "double", "Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit", "em.wl;stat.min", "m",
             "Shortest wavelength: 150 keV, of X-ray products",
             f"CASE WHEN {_SPECTRAL} THEN {_HC!r}::double precision / 150 END"),
    Observed("em_max", "double", "Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit", "em.wl;stat.max", "m",
             "Longest wavelength: 4 keV, of X-ray products",
             f"CASE WHEN {_SPECTRAL} THEN {_HC!r}::double precision / 4 END"),
    Observed("em_res_power", "double", "Char.SpectralAxis.Resolution.ResolPower.refVal", "spect.resolution", "",
             "Spectral resolving power; unknown", _NULL_REAL),
    Observed("em_xel", "long", "Char.SpectralAxis.numBins", "meta.number", "", "Energy bins; they vary", _NULL_LONG),
    Observed("o_ucd", "char", "Char.ObservableAxis.ucd", "meta.ucd", "", "What is measured",
             f"CASE WHEN {_SPECTRAL} THEN 'phot.count;em.X-ray' END"),
    Observed("pol_states", "char", "Char.PolarizationAxis.stateList", "meta.code;phys.polarization", "",
             "Polarisation states; none", "NULL::text"),
    Observed("pol_xel", "long", "Char.PolarizationAxis.numBins", "meta.number", "", "Polarisation states; none",
             _NULL_LONG),
    Observed("facility_name", "char", "Provenance.ObsConfig.Facility.name", "meta.id;instr.tel", "", "Facility",
             "'Solar Orbiter'::text"),
    Observed("instrument_name", "char", "Provenance.ObsConfig.Instrument.name", "meta.id;instr", "", "Instrument",
             "'STIX'::text"),
    Observed("product_file_id", "long", "", "meta.id", "", "productFileId of /api/v1/products", "productfileid"),
)  # fmt: skip
"""Columns of the view, in its order."""


def query() -> sa.Select[Any]:
    """The query of the view."""
    columns = [sa.literal_column(one.sql, _TYPES[one.datatype]).label(one.name) for one in COLUMNS]
    return sa.select(*columns).select_from(product_file).where(product_file.c.superseded_at.is_(None))


_TYPES: Final[dict[str, sa.types.TypeEngine[Any]]] = {
    "char": sa.Text(), "int": sa.Integer(), "long": sa.BigInteger(), "double": sa.DOUBLE_PRECISION(),
}  # fmt: skip
