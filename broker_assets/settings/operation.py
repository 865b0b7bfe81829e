"""Settings of the server, of alerts to operators, and of automation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from broker_assets.settings.pages import SkyImage, usual_sky_images


class NotifierSettings(BaseModel):
    """Destinations of alerts to operators."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    urls: list[SecretStr] = Field(default_factory=list)
    """Apprise URLs (`mailto://…`, `slack://…`, `json://…`)."""
    repeat_minutes: float = 360.0
    """The same cause is not reported again within this time, unless it ended in between."""
    look_seconds: int = Field(default=30, ge=5)
    """How often the platform is checked for faults."""
    stalled_minutes: float = Field(default=15.0, gt=0)
    """A Kafka partition with waiting messages whose position has not moved for this long has stalled."""
    unreachable_minutes: float = Field(default=2.0, gt=0)
    """A Kafka cluster that has not answered for this long is reported."""


class ServerSettings(BaseModel):
    """Addresses of the web servers; loopback by default."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    host: str = "127.0.0.1"
    dagster_port: int = 3000
    api_port: int = 8000
    public_hosts: list[str] = Field(default_factory=list)
    """Names, without ports, under which users reach them besides this machine's own: requests for others are refused,
    since any web page could make them through a user's browser. A proxy in front passes on Host with its port."""
    dagster_url: str | None = None
    """Address of Dagster's pages as operators reach them, for links in alerts; default: `host` and `dagster_port`."""
    database_connections: int = Field(default=16, ge=1)
    """Maximum number of connections of the web application to the database; further simultaneous requests wait for
    one."""
    sky_images: list[SkyImage] = Field(default_factory=usual_sky_images)
    """Survey images that maps of the pages offer. They are loaded when somebody opens a map, and are off without a
    network; an empty list turns them off."""
    asks_accounts: bool = False
    """Whether a proxy in front of Dagster's pages checks our accounts for each request and sends the rights in the
    header `X-Broker-Rights`: then only those with `write` may do more than read."""
    log_days: int = Field(default=60, ge=1)
    """Days for which `broker-assets up` keeps the logs of services by day, in `<home>/service_logs`."""
    status_token: SecretStr | None = None
    """Requests that send this token (`Authorization: Bearer …`) see process ids, paths, addresses and users in status
    pages."""

    @property
    def pages(self) -> str:
        """Address of Dagster's pages as operators reach them."""
        return self.dagster_url or f"http://{self.host}:{self.dagster_port}"

    @property
    def names(self) -> tuple[str, ...]:
        """Host names in the addresses of the servers, besides those of loopback."""
        return (self.host, *self.public_hosts)


class AutomationSettings(BaseModel):
    """How soon the platform reacts to arrivals and changes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    follow_seconds: int = Field(default=30, ge=5)
    """How often sensors look for telemetry that has arrived, for inputs that changed and for levels to be rebuilt. Each
    tick costs a tenth of a CPU second: use 5 where somebody is watching, as in the demonstration."""
