"""Settings of the pages: survey images that their maps may show."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, field_validator

_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?(/[A-Za-z0-9._~%-]+)*/?")


class SkyImage(BaseModel):
    """Survey images (a HiPS).

    Examples
    --------
    >>> SkyImage(name="DSS2", url="https://example.org/DSS/colour").name
    'DSS2'
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str
    url: str
    """URL of its folder; browsers load the displayed part of the sky from that server."""

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        if not _ADDRESS.fullmatch(url):
            raise ValueError(f"{url} is not the http or https address of a HiPS")
        return url


def usual_sky_images() -> list[SkyImage]:
    """Surveys that the Centre de Données astronomiques de Strasbourg offers to everybody."""
    return [
        SkyImage(name="DSS2 colour", url="https://alasky.cds.unistra.fr/DSS/DSSColor"),
        SkyImage(name="Pan-STARRS DR1 colour", url="https://alasky.cds.unistra.fr/Pan-STARRS/DR1/color-z-zg-g"),
    ]
