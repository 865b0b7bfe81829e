"""Settings of the cold store: where its tables are, and when a month leaves the database."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class ColdSettings(BaseModel):
    """Apache Iceberg tables of all nights, and catalogues of HATS made from them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    warehouse_url: str | None = None
    """fsspec URL of the tables; default: `<home>/cold`. Options of S3 (endpoint, keys) come from its usual variables,
    as for the packet archive."""
    catalogue_url: str | None = None
    """Address of a REST catalogue of Iceberg; default: the catalogue is a schema of our database."""
    catalogue_options: dict[str, SecretStr] = Field(default_factory=dict)
    """Further options of the REST catalogue: `token`, `credential`, `warehouse`, …"""
    hats_url: str | None = None
    """fsspec URL of the HATS catalogues; default: `<home>/hats`."""
    nightly: bool = False
    """Whether each night is written to the cold store when it is over, and again when its rows change. It can always be
    written by hand and in backfills."""
    hot_months: int = Field(default=24, ge=2)
    """Calendar months of points that stay in the database besides the current one; older ones leave it when
    `detach` is set. Packets repeat the points of a year, which should be among them."""
    detach: bool = False
    """Whether months leave the database automatically, once all their rows have been compared with the cold store and
    found equal."""
    keep_detached_days: float = Field(default=7.0, ge=0)
    """Days after which the tables of months that have left the database are dropped."""
    chunk_rows: int = Field(default=1_000_000, ge=1)
    """Number of rows of a night that are in memory at a time."""
