"""What a SCOS-2000 database does not contain about an instrument: compression schemes, completed calibrations, quirks.

Each instrument with a SCOS-2000 database is an `Instrument`; `stix_rules.STIX` is the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

StructureKey = tuple[int, int, int | None]
"""Service type, service subtype and structure id (pi1; None where the kind has none)."""


@dataclass(frozen=True)
class Scheme:
    """Where the compression scheme (s, k, m) of a parameter is read, in the packet that carries the parameter."""

    sign: str
    """Parameter holding s: 1 if the top bit of a stored byte is a sign."""
    exponent: str
    """Parameter holding k, the number of exponent bits."""
    mantissa: str
    """Parameter holding m, the number of mantissa bits."""
    unsigned: bool = False
    """The sign bit of the scheme belongs to the exponent: the quantity is never negative."""

    @property
    def parameters(self) -> tuple[str, str, str]:
        """The three parameters, in the order s, k, m."""
        return self.sign, self.exponent, self.mantissa


@dataclass(frozen=True)
class CompletedCalibration:
    """A polynomial given to a parameter for which a build of the database has no calibration."""

    parameter: str
    coefficients: tuple[float, float]
    """Constant and linear term."""
    unit: str
    newer_than: tuple[int, ...] = ()
    """Only for database versions after this one; empty for all."""


@dataclass(frozen=True)
class Instrument:
    """The rules of one instrument that supplement its database."""

    name: str
    telecommand_process: tuple[int, int]
    """Process id and packet category of telecommands; every other packet is telemetry."""
    schemes: Mapping[StructureKey, Mapping[str, Scheme]] = field(default_factory=dict)
    """Per structure: parameter to the scheme it was compressed with."""
    older_schemes: tuple[tuple[tuple[int, ...], StructureKey, Mapping[str, Scheme]], ...] = ()
    """(version, structure, schemes): replaces entries of `schemes` for database versions before `version`."""
    completed_calibrations: tuple[CompletedCalibration, ...] = ()
    widths: Mapping[str, int] = field(default_factory=dict)
    """Corrected widths in bits."""
    kept_raw: frozenset[str] = frozenset()
    """Parameters whose engineering value is the raw value although a calibration is named."""
    continuation: Mapping[str, str] = field(default_factory=dict)
    """Counter of 0, 1 or 2 following bytes to the byte parameter: they merge into one value per sample, 0 meaning 1."""
    request_structures: frozenset[StructureKey] = frozenset()
    """Structures that answer a request from ground."""
    request_parameters: tuple[str, str] = ("", "")
    """Parameters that hold the telecommand sequence control and the request id."""
    fallback_version: str | None = None
    """Database version used where the one valid at a time is missing."""

    def schemes_of(self, key: StructureKey, version: tuple[int, ...]) -> dict[str, Scheme]:
        """Compressed parameters of a structure and their schemes, for a database version."""
        found = dict(self.schemes.get(key, {}))
        for before, structure, schemes in self.older_schemes:
            if structure == key and version < before:
                found.update(schemes)
        return found
