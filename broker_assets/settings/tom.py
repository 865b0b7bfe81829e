"""Settings of the target and observation manager: where it answers as the original did."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from broker_assets.settings.stream import SecretFileError

MIB = 1024**2


class FacilitySettings(BaseModel):
    """A facility that observations are requested from."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=200)
    """What it is called, on pages and in tables."""
    kind: str = "broker_assets.tom.observations.lco:Lco"
    """Class that speaks with it, `module:Class`; see `tom.observations.facility.Facility`.
    `broker_assets.tom.observations.by_mail:ByMail` writes to people."""
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
    """E-mail address of those who observe."""
    options: dict[str, str] = Field(default_factory=dict)
    """Further options of the class, as `proposal` of LCO."""

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
    facilities: list[FacilitySettings] = Field(default_factory=list)
    """Facilities that observations are requested from; none unless set."""
    observation_minutes: float = Field(default=5.0, gt=0)
    """Time between two questions to a facility about a request that it has taken."""
    products_days: float = Field(default=3.0, ge=0)
    """Days after its end for which files of an observation are looked for."""
    product_bytes: int = Field(default=512 * MIB, ge=MIB)
    """Bytes of a file of an observation, at most."""
