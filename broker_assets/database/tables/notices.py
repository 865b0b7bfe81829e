"""Notices of events with an error circle (GRBs, X-ray transients, neutrinos), and the cones made of them."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import MJD, bigint, column, double, integer, metadata, text, timestamp
from broker_assets.database.tables.sky import DEGREES

event_notices = sa.Table(
    "event_notices",
    metadata,
    sa.Column(
        "noticeid",
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment="identifier of the notice",
        info={"documented": "noticeid", "unit": ""},
    ),
    text("stream", "moving list that it belongs to: the name of a watchlist of the platform", nullable=False),
    text("event", "identifier of the event given by the issuer", nullable=False),
    text("digest", "hash of what was read of it; the same notice is stored once", nullable=False),
    text("topic", "topic that it came from, or the name of its file", nullable=False),
    text("kind", "initial, update or retraction", nullable=False),
    text("name", "name of the event", nullable=False),
    timestamp("issued_at", "when it was issued; null if it does not say"),
    integer("number", "number that its issuer gives it within the event; 0 if none", nullable=False),
    timestamp("trigger_time", "time of the event; null if it does not say"),
    column(
        "circles",
        sa.JSON(),
        "error circles as given: part, ra, dec (deg, ICRS), error (deg, semi-major axis of an ellipse), containment",
        nullable=False,
    ),
    text("remark", "why it makes no cone: a test, or without a circle; null if it may make one"),
    text("url", "page or file about the event"),
    timestamp("received_at", "when it was received", server_default=sa.func.now(), nullable=False),
    bigint("ingestId", "batch that received it; null if a command applied its file"),
    sa.UniqueConstraint("stream", "event", "digest", name="event_notices_once"),
    comment="Notices of events with an error circle, as received",
)
"""Notices of events, as received."""

notice_events = sa.Table(
    "notice_events",
    metadata,
    bigint(
        "cone_id", "cone made of the notice, see watchlist_hits and watchlist_facts", primary_key=True,
        autoincrement=False,
    ),
    bigint("wl_id", "watchlist of the stream", nullable=False),
    text("stream", "name of the watchlist: the stream of notices", nullable=False),
    text("event", "identifier of the event given by the issuer", nullable=False),
    text("name", "name of the event, and of the neutrino where one event has several", nullable=False),
    text("notice_type", "kind of its notice: initial or update", nullable=False),
    double("trigger_tai", "time of the event", MJD, nullable=False),
    double("mjd_since", "alerts from this time on can be hits", MJD, nullable=False),
    double("mjd_until", "alerts up to this time can be hits", MJD, nullable=False),
    double("ra", "right ascension", DEGREES, nullable=False),
    double("decl", "declination", DEGREES, nullable=False),
    double("radius", "radius of the cone, scaled to the probability that its list asks for", "arcsec", nullable=False),
    double("error_radius", "radius as given by the issuer", "arcsec", nullable=False),
    double("containment", "probability that the issuer's circle contains the event", nullable=False),
    text("url", "page or file about the event"),
    bigint("noticeid", "notice that gave the circle, see event_notices", nullable=False),
    bigint("revision_from", "number of the change that made it, see revision_counter", nullable=False),
    bigint("revision_to", "number of the change that ended it; null while it is matched"),
    text("ended", "why it ended: replaced, retracted or expired; null while it is matched"),
    sa.Index("notice_events_event", "wl_id", "event"),
    sa.Index("notice_events_matched", "mjd_until", postgresql_where=sa.text("revision_to IS NULL")),
    comment="Events of notices with an error circle, one row per cone that was made of one; join with watchlist_hits by"
    " cone_id",
)  # fmt: skip
"""Events of notices, one row per cone."""
