"""Settings of sky inputs: TNS, coverage maps of watchlists, notices and their moving lists."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from broker_assets.settings.stream import ClusterSettings


class TnsSettings(BaseModel):
    """Credentials for the Transient Name Server; without a key no request is sent."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: SecretStr | None = None
    """API key of the bot."""
    bot_id: int | None = None
    """Number of the bot."""
    bot_name: str | None = None
    """Name of the bot."""
    bulk_url: str = "https://www.wis-tns.org/system/files/tns_public_objects/"
    """URL of the bulk files."""
    search_url: str = "https://www.wis-tns.org/api/get/"
    """URL of the interface for single objects."""


class MocSettings(BaseModel):
    """Resolution of sky coverage maps (MOCs); a change rebuilds exactly the files to which it applies."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    watchlist_order: int = Field(default=13, ge=0, le=29)
    """Deepest HEALPix order of the MOCs of watchlists; 13 is cells of 26″."""
    watchlist_cones: int = Field(default=50_000, ge=1)
    """Cones in one MOC file of a watchlist."""
    region_order: int = Field(default=13, ge=0, le=14)
    """Deepest HEALPix order of areas loaded as a region (DS9, STC-S); existing areas keep theirs."""


class MovingListSettings(BaseModel):
    """A watchlist of the platform whose cones come from notices of events with an error circle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=256)
    """Name of the watchlist; if it is changed, a new list begins, and the cones of the old one end with their
    windows."""
    topics: tuple[str, ...] = Field(min_length=1)
    """Kafka topics of its notices, on the cluster of the notices: JSON in GCN's schema, or VOEvents."""
    days_before: float = Field(default=0.0, ge=0, le=36_525)
    """Alerts up to this long before an event can be hits."""
    days_after: float = Field(default=30.0, gt=0, le=36_525)
    """Alerts up to this long after an event can be hits; then its cone ends."""
    containment: float = Field(default=0.9, gt=0, lt=1)
    """Probability with which a cone contains its event; radii for another one are scaled."""
    containment_given: float | None = Field(default=None, gt=0, lt=1)
    """Probability of the radius in the notices; default: what they state, or what is known of their issuer."""
    largest_radius: float = Field(default=3.0, gt=0, le=90)
    """Degrees; an event whose cone would be larger gets none."""
    smallest_radius: float = Field(default=2.0, ge=0, le=3600)
    """Arcseconds; smaller cones are enlarged to this, since the positions of event and alert both have errors."""


class NoticeSettings(BaseModel):
    """Sources of notices: sky maps of gravitational-wave events, and events with an error circle for moving lists."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    topic: str | None = None
    """Kafka topic of gravitational-wave events (`igwn.gwalert` at GCN); none are read without one."""
    name: str | None = None
    """Its name in tables; default: the topic."""
    lists: list[MovingListSettings] = Field(default_factory=list)
    """Moving lists; none unless set (`docs/matching.md` has those for GCN)."""
    kafka: ClusterSettings = Field(default_factory=ClusterSettings)
    """Its cluster and credentials; what is left open comes from the top-level section `kafka`."""
