"""Settings of the target and observation manager: where it answers as the original did."""

from __future__ import annotations

from pydantic import BaseModel, Field

MIB = 1024**2


class TomSettings(BaseModel):
    """The target and observation manager."""

    zero_point: float = 27.5
    """`zp` of light curves. Their fluxes are nJy, whose AB zero point is 31.4; the original writes 27.5, and clients
    may correct for that. Set 31.4 where none does; the header `X-Flux-Zero-Point` is always right."""
    legacy_errors: bool = False
    """Whether every error of a request is 500, as in the original, and not only those that its clients expect."""
    largest_page: int = Field(default=10_000, ge=100)
    """Rows of a page of a table, at most; `limit` asks for fewer."""
    largest_body: int = Field(default=64 * MIB, ge=MIB)
    """Bytes of a request, at most."""
    magnitude_zero_point: float = 31.4
    """Zero point of the magnitudes of wanted spectra; 27 gives those of the original, whose fluxes are nJy too."""
    query_seconds: float = Field(default=240.0, gt=0)
    """Time of SQL that is run at once; a proxy before the server may end requests after 300 s."""
    query_rows: int = Field(default=250_000, ge=1)
    """Rows of its answer, at most."""
    query_bytes: int = Field(default=128 * MIB, ge=MIB)
    """Bytes of its answer, at most."""
    queries_at_once: int = Field(default=8, ge=1)
    """SQL that a server runs at once; an account has a quarter of it, and at least one."""
    queued_seconds: float = Field(default=6 * 3600.0, gt=0)
    """Time of queued SQL."""
    queued_bytes: int = Field(default=20 * 1024 * MIB, ge=MIB)
    """Bytes of a result of queued SQL, at most."""
    queued_at_once: int = Field(default=2, ge=1)
    """Runs that work on queued SQL at once."""
    results_days: float = Field(default=30.0, gt=0)
    """Days for which queued SQL and its results are kept."""
