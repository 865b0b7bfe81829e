"""Limits of sky inputs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class InputLimits(BaseModel):
    """Maximum sizes of sky inputs; larger ones are refused or go to quarantine, and the message names the limit."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    notice_bytes: int = Field(default=16 * 1024**2, ge=1)
    """Bytes of a notice including its map, as sent; also of an Avro block in it once unpacked."""
    sky_map_bytes: int = Field(default=256 * 1024**2, ge=1)
    """Bytes of a sky map, unpacked."""
    sky_map_rows: int = Field(default=12 * 4**10, ge=1)
    """Cells of a sky map; the default is the whole sky at order 10."""
    area_bytes: int = Field(default=64 * 1024**2, ge=1)
    """Bytes of the file of an area, unpacked."""
    area_cells: int = Field(default=4_000_000, ge=1)
    """Cells and ranges in the file of an area; also the approximate number that a region may need as a MOC."""
    region_corners: int = Field(default=10_000, ge=3)
    """Corners of all polygons of a region."""
    region_shapes: int = Field(default=10_000, ge=1)
    """Shapes and operators of a region."""
    region_depth: int = Field(default=16, ge=1)
    """Depth to which operators of STC-S may be nested."""
    watchlist_bytes: int = Field(default=512 * 1024**2, ge=1)
    """Bytes of a watchlist file."""
    watchlist_rows: int = Field(default=10_000_000, ge=1)
    """Lines of a watchlist file."""
    watchlist_bad_lines: int = Field(default=10_000, ge=0)
    """Lines of a watchlist file that may be bad; a file with more is refused."""
    watchlist_cells: int = Field(default=50_000_000, ge=1)
    """Approximate number of cells of the MOC of a watchlist that `broker-assets moc build` makes."""
    tns_bytes: int = Field(default=1024**3, ge=1)
    """Bytes of a bulk file of TNS, unpacked."""
    tns_rows: int = Field(default=2_000_000, ge=1)
    """Rows of a bulk file of TNS; it has 170,000 in 2026."""


LIMITS = InputLimits()
"""The default limits."""
