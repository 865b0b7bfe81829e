"""Settings of telemetry and its inputs."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from broker_assets.settings.sources import InputSource


class TelemetryInputLimits(BaseModel):
    """Limits of one telemetry file; one that exceeds them goes to quarantine as a whole."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    file_bytes: int = Field(default=8 << 30, ge=1)
    """Bytes, after decompression."""
    expansion: int = Field(default=200, ge=1)
    """Maximum expansion factor of a compressed file; files that expand to less than 64 MiB are always accepted."""
    table_bytes: int = Field(default=1 << 30, ge=1)
    """Bytes of a FITS file of level LB, which is held in memory as a whole."""
    packets: int = Field(default=10_000_000, ge=1)
    """Packets."""
    bad_pieces: int = Field(default=100_000, ge=1)
    """Pieces that cannot be used; each is noted and kept."""
    bad_bytes: int = Field(default=1 << 28, ge=1)
    """Bytes of these pieces."""


class TelemetrySettings(BaseModel):
    """Sources of telemetry and inputs of its products; without incoming folders nothing is received."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    incoming: list[str] = Field(default_factory=list)
    """fsspec URLs of folders in which telemetry files arrive (including targets of rsync or sftp)."""
    incoming_options: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Options of the file system of such a URL (user, key file, endpoint, …), by URL."""
    incoming_secrets: dict[str, dict[str, SecretStr]] = Field(default_factory=dict)
    """Options that are never printed (password, key, secret), by URL."""
    pattern: str = "*PktTmRaw*.xml"
    """Names of telemetry files; others are ignored."""
    input_limits: TelemetryInputLimits = Field(default_factory=TelemetryInputLimits)
    """Limits of a telemetry file."""
    stable_seconds: float = Field(default=120.0, ge=0)
    """A file is complete when neither its size nor its modification time has changed for this long."""
    folder: Path | None = None
    """Packet store, staged files and products; default: `<home>/telemetry`."""
    databases: Path | None = None
    """Folder of instrument databases, `v<version>/idb.sqlite`."""
    configuration: Path | None = None
    """Checkout of the instrument's configuration repository."""
    kernels: Path | None = None
    """Folder of SPICE kernels: mk, lsk, sclk, spk, …."""
    planning: Path | None = None
    """Folder of exported observation timelines."""
    requests: Path | None = None
    """Table of science requests, CSV."""
    sources: list[InputSource] = Field(default_factory=list)
    """Where these inputs are fetched from; if empty, something else must keep the files up to date."""
    requests_url: str | None = None
    """URL from which rows of that table are fetched; if unset, the table is not updated."""
    energy_calibration: Path | None = None
    """Folder of the energy-calibration programs (Bkg, ECC, STX_Calib); if unset, no calibration products are made."""
    aspect_command: list[str] = Field(default_factory=list)
    """Program that computes the aspect solution (the bridge to IDL); if unset, ancillary products have no solution."""
    versions: dict[str, int] = Field(default_factory=dict)
    """Processing versions that override those in the code, by level and kind: `{"L1/ql-lightcurve": 3}`."""
