"""Fields of the simulated survey: columns of its tables, and their names in SNANA's files and in alerts.

Only names, types and orders belong here. The fields of an alert are in the order of its bytes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

QUANTILES: Final = tuple(f"{percent:03d}" for percent in range(0, 101, 10))
"""Percentiles of photometric redshifts of hosts."""
BANDS: Final = tuple("ugrizY")
"""Names of bands in SNANA's files and in the alerts."""
HOSTS: Final = ("hostgal", "hostgal2")
"""Prefixes of the two hosts that an object may have."""


def _host() -> tuple[tuple[str, str], ...]:
    """Fields of a host in the order of columns and alerts: name in the alert, name in SNANA's header table."""
    plain = ("ellipticity", "sqradius")
    redshifts = (
        ("zspec", "SPECZ"), ("zspec_err", "SPECZ_ERR"), ("zphot", "PHOTOZ"), ("zphot_err", "PHOTOZ_ERR"),
    )  # fmt: skip
    return (
        *((name, name.upper()) for name in plain),
        *redshifts,
        *((f"zphot_q{percent}", f"ZPHOT_Q{percent}") for percent in QUANTILES),
        *((f"mag_{band}", f"MAG_{band}") for band in BANDS),
        *((name, name.upper()) for name in ("ra", "dec", "snsep")),
        *((f"magerr_{band}", f"MAGERR_{band}") for band in BANDS),
    )


HOST_FIELDS: Final = _host()
"""Fields of a host: name in the alert, name in SNANA's header table."""

_MEASURED: Final = (
    ("mwebv", "MWEBV"),
    ("mwebv_err", "MWEBV_ERR"),
    ("z_final", "REDSHIFT_FINAL"),
    ("z_final_err", "REDSHIFT_FINAL_ERR"),
)

OBJECT_FLOATS: Final = (
    *(name for name, _ in _MEASURED),
    *(f"{host}_{name}" for host in HOSTS for name, _ in HOST_FIELDS),
)
"""Single-precision fields of an object in the order of columns and alerts, named as in the alert."""

HEADER_COLUMNS: Final = {
    "SNID": "diaobject_id",
    "RA": "ra",
    "DEC": "decl",
    **{header: name for name, header in _MEASURED},
    **{f"{host.upper()}_{header}": f"{host}_{name}".lower() for host in HOSTS for name, header in HOST_FIELDS},
}
"""Columns of SNANA's header table that are stored, and the columns they become."""

OBJECT_COLUMNS: Final = (
    "diaobject_id", "simversion", "ra", "decl", *(name.lower() for name in OBJECT_FLOATS), "isddf",
)  # fmt: skip
"""Columns of the tables of objects."""
SOURCE_COLUMNS: Final = (
    "diasource_id", "midpointtai", "filtername", "ra", "decl", "psflux", "psfluxerr", "snr", "diaobject_id",
)  # fmt: skip
"""Columns of the tables of detections."""
FORCED_COLUMNS: Final = ("diaforcedsource_id", "midpointtai", "filtername", "psflux", "psfluxerr", "diaobject_id")
"""Columns of the tables of forced photometry."""

TRUTH_INTEGERS: Final = (
    "LIBID", "SIM_SEARCHEFF_MASK", "GENTYPE", "NON1A_INDEX", "GALID", "NOBS", "NOBS_SATURATE", "CID",
)  # fmt: skip
"""Variables of SNANA's dump that are whole numbers."""
TRUTH_COLUMNS: Final = {
    **{
        name: name.lower()
        for name in (
            "LIBID", "SIM_SEARCHEFF_MASK", "GENTYPE", "ZCMB", "ZHELIO", "ZCMB_SMEAR", "RA", "DEC", "MWEBV", "GALID",
            "GALZPHOT", "GALZPHOTERR", "GALSNSEP", "GALSNDDLR", "RV", "AV", "MU", "LENSDMU", "PEAKMJD",
            "MJD_DETECT_FIRST", "MJD_DETECT_LAST", "DTSEASON_PEAK", "SNRMAX", "SNRMAX2", "SNRMAX3", "NOBS",
            "NOBS_SATURATE",
        )
    },
    **{f"PEAKMAG_{band}": f"peakmag_{band.lower()}" for band in BANDS},
    "CID": "diaobject_id",
    "NON1A_INDEX": "sim_template_index",
}  # fmt: skip
"""Variables of SNANA's dump, and the columns of the truth that they become."""


class Field(NamedTuple):
    """A field of a record of an alert."""

    name: str
    """Name in the alert."""
    kind: str
    """Avro type; with `?` it may be null."""
    column: str | None
    """Column of the tables with its values; None where the simulation has no values: null, or zero."""


def _source_fields(*, first: bool) -> tuple[Field, ...]:
    old = (lambda *fields: fields) if first else (lambda *fields: ())
    return (
        Field("diaSourceId", "long", "diasource_id"),
        *old(Field("ccdVisitId", "long", None)),
        Field("diaObjectId", "long?", "diaobject_id"),
        *old(Field("parentDiaSourceId", "long?", None)),
        Field("midPointTai", "double", "midpointtai"),
        Field("filterName", "string", "filtername"),
        Field("ra", "double", "ra"),
        Field("decl", "double", "decl"),
        Field("psFlux", "float", "psflux"),
        Field("psFluxErr", "float", "psfluxerr"),
        Field("snr", "float", "snr"),
        *old(Field("nobs", "float?", None)),
    )


def _forced_fields(*, first: bool) -> tuple[Field, ...]:
    old = (lambda *fields: fields) if first else (lambda *fields: ())
    return (
        Field("diaForcedSourceId", "long", "diaforcedsource_id"),
        *old(Field("ccdVisitId", "long", None)),
        Field("diaObjectId", "long", "diaobject_id"),
        Field("midPointTai", "double", "midpointtai"),
        Field("filterName", "string", "filtername"),
        Field("psFlux", "float", "psflux"),
        Field("psFluxErr", "float", "psfluxerr"),
        # Simulated differences have no template: both fluxes are the same.
        *old(Field("totFlux", "float", "psflux"), Field("totFluxErr", "float", "psfluxerr")),
    )


def _object_fields(*, first: bool) -> tuple[Field, ...]:
    floats: list[Field] = []
    for name in OBJECT_FLOATS:
        floats.append(Field(name, "float?", name.lower()))
        if first and name.endswith("_zphot_q100"):
            floats.append(Field(name.replace("q100", "p50"), "float?", None))
    return (
        Field("diaObjectId", "long", "diaobject_id"),
        Field("simVersion", "string?", "simversion"),
        Field("ra", "double", "ra"),
        Field("decl", "double", "decl"),
        *floats,
    )


class AlertFields(NamedTuple):
    """The records of an alert in a version of the schema."""

    version: str
    source: tuple[Field, ...]
    forced: tuple[Field, ...]
    object: tuple[Field, ...]
    first: bool
    """Whether it is the schema of the first campaign, which has limits and cutouts."""


def _alert(version: str) -> AlertFields:
    first = version == "0.9"
    return AlertFields(
        version, _source_fields(first=first), _forced_fields(first=first), _object_fields(first=first), first
    )


VERSIONS: Final = {version: _alert(version) for version in ("0.9", "0.9.1")}
"""Versions of the alert schema."""
