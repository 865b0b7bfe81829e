"""Settings of the target and observation manager: to what extent it answers like the original."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from broker_assets.settings.stream import SecretFileError

MIB = 1024**2


class FacilitySettings(BaseModel):
    """A facility from which observations are requested."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=200)
    """Its name, on pages and in tables."""
    kind: str = "broker_assets.tom.observations.lco:Lco"
    """Class that communicates with it, `module:Class`; see `tom.observations.facility.Facility`.
    `broker_assets.tom.observations.by_mail:ByMail` sends e-mail to people."""
    groups: list[str] = Field(default_factory=list)
    """Groups whose members may ask it for observations; administrators always may."""
    url: str = ""
    """Address of its interface; empty: the usual one of the class."""
    archive_url: str = ""
    """Address of its archive; empty: the usual one of the class."""
    token: SecretStr | None = None
    """Token of our account there."""
    token_file: Path | None = None
    """File that holds the token, in place of `token`."""
    address: str = ""
    """E-mail address of the observers."""
    options: dict[str, str] = Field(default_factory=dict)
    """Further options of the class, such as `proposal` for LCO."""

    def revealed_token(self) -> str:
        """The token.

        Raises
        ------
        SecretFileError
            If its file cannot be read.
        """
        if self.token is not None:
            return self.token.get_secret_value()
        if self.token_file is None:
            return ""
        try:
            return self.token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SecretFileError(f"the token of {self.name}: {error.strerror or error}") from None


class TomSettings(BaseModel):
    """The target and observation manager."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    zero_point: float = 27.5
    """`zp` of light curves. Their fluxes are in nJy, whose AB zero point is 31.4; the original writes 27.5, and clients
    may correct for that. Set 31.4 if no client does; the header `X-Flux-Zero-Point` is always right."""
    legacy_errors: bool = False
    """Whether every error of a request has status 500, as in the original, and not only those for which its clients
    expect it."""
    largest_page: int = Field(default=10_000, ge=100)
    """Maximum number of rows on a page of a table; `limit` asks for fewer."""
    largest_body: int = Field(default=64 * MIB, ge=MIB)
    """Maximum size of a request, in bytes."""
    magnitude_zero_point: float = 31.4
    """AB zero point of the magnitudes of wanted spectra; 27 gives those of the original, whose fluxes are in nJy,
    too."""
    query_seconds: float = Field(default=240.0, gt=0)
    """Time limit of SQL that is run immediately; a proxy in front of the server may end requests after 300 s."""
    query_rows: int = Field(default=250_000, ge=1)
    """Maximum number of rows of its answer."""
    query_bytes: int = Field(default=128 * MIB, ge=MIB)
    """Maximum size of its answer, in bytes."""
    queries_at_once: int = Field(default=8, ge=1)
    """Number of queries that a server runs simultaneously; an account may have a quarter of them, and at least one."""
    queued_seconds: float = Field(default=6 * 3600.0, gt=0)
    """Time limit of queued SQL."""
    queued_bytes: int = Field(default=20 * 1024 * MIB, ge=MIB)
    """Maximum size of a result of queued SQL, in bytes."""
    queued_at_once: int = Field(default=2, ge=1)
    """Number of simultaneous runs that work on queued SQL."""
    results_days: float = Field(default=30.0, gt=0)
    """Days for which queued SQL and its results are kept."""
    facilities: list[FacilitySettings] = Field(default_factory=list)
    """Facilities from which observations are requested; none unless set."""
    observation_minutes: float = Field(default=5.0, gt=0)
    """Time between two inquiries to a facility about a request that it has accepted."""
    products_days: float = Field(default=3.0, ge=0)
    """Days after the end of an observation during which its files are searched for."""
    product_bytes: int = Field(default=512 * MIB, ge=MIB)
    """Maximum size of a file of an observation, in bytes."""
