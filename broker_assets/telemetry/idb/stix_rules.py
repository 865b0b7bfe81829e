"""STIX on Solar Orbiter: the rules that supplement its instrument database.

Sources: instrument database 2.26.34 and the tables of chapters 1.6 to 2.2 of the behaviour contract.
"""

from __future__ import annotations

from typing import Final

from broker_assets.telemetry.idb.instrument_rules import CompletedCalibration, Instrument, Scheme, StructureKey

COUNTS: Final = Scheme("NIXD0007", "NIXD0008", "NIXD0009")
TRIGGERS: Final = Scheme("NIXD0010", "NIXD0011", "NIXD0012")
FLUX: Final = Scheme("NIXD0007", "NIXD0008", "NIXD0009", unsigned=True)
TRIGGER_ACCUMULATORS: Final = tuple(f"NIX00{number}" for number in range(242, 258))
"""Parameters of the 16 trigger accumulators, group 1 first."""
SPECTRA: Final = tuple(f"NIX00{number}" for number in range(452, 484))
"""Parameters of the 32 energy channels of a quick-look spectrum."""

_TRIGGERS_OWN: Final = dict.fromkeys(TRIGGER_ACCUMULATORS, TRIGGERS)
_TRIGGERS_AS_COUNTS: Final = dict.fromkeys(TRIGGER_ACCUMULATORS, COUNTS)
_SPECTRA_TRIGGERS: Final = Scheme("NIXD0112", "NIXD0113", "NIXD0114")

_SCHEMES: Final[dict[StructureKey, dict[str, Scheme]]] = {
    (21, 6, 21): {"NIX00260": COUNTS, **_TRIGGERS_OWN},
    (21, 6, 22): {"NIX00260": COUNTS, **_TRIGGERS_OWN},
    (21, 6, 23): {"NIX00263": COUNTS, "NIX00264": COUNTS, "NIX00261": FLUX, **_TRIGGERS_OWN},
    (21, 6, 24): {"NIX00268": COUNTS, "NIX00267": TRIGGERS},
    (21, 6, 30): {
        "NIX00272": Scheme("NIXD0101", "NIXD0102", "NIXD0103"),
        "NIX00274": Scheme("NIXD0104", "NIXD0105", "NIXD0106"),
    },
    (21, 6, 31): {"NIX00278": Scheme("NIXD0108", "NIXD0109", "NIXD0110"), "NIX00274": _SPECTRA_TRIGGERS},
    (21, 6, 32): {
        **dict.fromkeys(SPECTRA, Scheme("NIXD0115", "NIXD0116", "NIXD0117")),
        "NIX00484": _SPECTRA_TRIGGERS,
    },
    (21, 6, 33): {"NIX00281": Scheme("NIXD0118", "NIXD0119", "NIXD0120")},
    (21, 6, 41): {"NIX00158": Scheme("NIXD0126", "NIXD0127", "NIXD0128")},
}

STIX: Final = Instrument(
    name="STIX",
    telecommand_process=(90, 12),
    schemes=_SCHEMES,
    # Flight software before 2.26.35 compressed the triggers of pixel data with the counts' scheme (its issue 953).
    older_schemes=(((2, 26, 35), (21, 6, 21), _TRIGGERS_AS_COUNTS),),
    completed_calibrations=(
        CompletedCalibration("NIX00269", (0.0, 0.1), "s"),
        CompletedCalibration("NIX00441", (0.0, 0.1), "s"),
        CompletedCalibration("NIX00122", (0.0, 0.1), "s"),
        CompletedCalibration("NIX00405", (0.0, 0.1), "s"),
        CompletedCalibration("NIX00124", (0.0, 1.0), "ms"),
        CompletedCalibration("NIX00404", (0.1, 0.1), "s"),
        CompletedCalibration("NIX00123", (0.0, 1.52590218966964e-05), "s"),
        # The build that made the products of 2.26.34 leaves the CPU load in steps of 4 %: its unit must not change
        # in the middle of a published series.
        CompletedCalibration("NIXD0002", (0.0, 4.0), "%", newer_than=(2, 26, 34)),
    ),
    widths={"NIX00123": 16, "ZZPAD008": 8, "ZZPAD016": 16, "ZZPAD024": 24, "ZZPAD032": 32},
    kept_raw=frozenset({"NIX00276", "NIX00401"}),
    continuation={"NIXD0159": "NIX00065"},
    request_structures=frozenset((21, 6, ssid) for ssid in (20, 21, 22, 23, 24, 42)),
    request_parameters=("NIX00002", "NIX00037"),
    fallback_version="2.26.34",
)
"""The instrument that this package was built for."""
