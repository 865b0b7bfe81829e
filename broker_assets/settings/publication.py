"""Settings of the publication of products."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class PublicationTarget(BaseModel):
    """An archive to which product files are delivered."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str
    """Name in history and messages."""
    url: str
    """fsspec URL of the folder: a path, `sftp://host/folder`, `s3://bucket/folder`."""
    options: dict[str, str] = Field(default_factory=dict)
    """Options of the file system (username, key_filename, endpoint_url, …)."""
    secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """Options that are never printed (password, key, secret)."""
    conflicts_url: str | None = None
    """Folder for files with more supplements than the archive accepts; if unset, they are only kept locally."""
    levels: list[str] = Field(default_factory=lambda: ["L0", "L1", "L2", "ANC", "LL03", "CAL"])
    products: list[str] = Field(default_factory=lambda: ["ql", "hk", "sci", "asp", "cal"])
    """Families as in file names; `*` selects all."""
    versions: list[str] = Field(default_factory=lambda: ["*"])
    """Versions (`2`, `02`, `02U`); `*` selects all."""
    waiting_hours: float = Field(default=14 * 24.0, ge=0)
    """Minimum age of a file before it is delivered, since later packets and kernels replace recent files."""
    waiting_hours_low_latency: float = Field(default=1 / 60, ge=0)
    batch_size: int = Field(default=-1, ge=-1)
    """Maximum number of files per run; -1: no limit."""
    mirror: bool = False
    """Whether this is a copy of the local archive, with the same names and paths, instead of an archive with rules."""
    mirror_hours: int = Field(default=24, ge=1)
    """Hours between two comparisons of such a copy with the whole archive; new files are copied every hour."""
    mirror_removes: bool = False
    """Whether files of such a copy that the local archive no longer has are removed then, if they were copied there."""


class PublicationSettings(BaseModel):
    """Delivery of product files; without targets nothing is delivered."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    targets: list[PublicationTarget] = Field(default_factory=list)
    blacklist: Path | None = None
    """Text file of names that are never delivered."""
    tolerated_row_loss: float = Field(default=0.0, ge=0, le=1)
    """Fraction of rows that a new version may lack relative to the delivered one."""
    tolerated_nan_increase: float = Field(default=0.01, ge=0, le=1)
    """Allowed increase of the fraction of NaN in a new version."""
    tolerated_coverage_loss: float = Field(default=0.0, ge=0, le=1)
    """Fraction of the covered time that a new version may lack."""
