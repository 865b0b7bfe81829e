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
