"""Requests for observations, their results, and calendars: in the schema of accounts, which users' SQL cannot read."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from broker_assets.database.tables.access import access_metadata
from broker_assets.database.tables.columns import bigint, column, integer, text, timestamp


def _identity(name: str, meaning: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), sa.Identity(always=False), primary_key=True, comment=meaning)


observations = sa.Table(
    "observations",
    access_metadata,
    _identity("observationid", "identifier of the request"),
    text("owner", "account that asked", nullable=False),
    text("key", "what the form or program gave, so that it is made once", nullable=False),
    bigint("targetid", "target; null: it is removed"),
    text("facility", "facility of the settings that is asked", nullable=False),
    column("target", JSONB(), "the target as it was when it was asked for", nullable=False),
    column("parameters", JSONB(), "what is asked for, by the fields of the facility", nullable=False),
    text("state", "waiting, asking, placed, cancelling, completed, expired, cancelled or refused", nullable=False,
         server_default="waiting"),
    text("remote", "identifier at the facility", nullable=False, server_default=""),
    text("remote_state", "state in the words of the facility", nullable=False, server_default=""),
    timestamp("begins", "when it is or was observed"),
    timestamp("ends", "until when"),
    integer("attempts", "attempts since the last answer of the facility", nullable=False, server_default="0"),
    text("failure", "why it is refused, or the last attempt failed", nullable=False, server_default=""),
    timestamp("created", "when it was asked for", nullable=False, server_default=sa.func.now()),
    timestamp("placed", "when the facility took it"),
    timestamp("checked", "when the facility last answered"),
    timestamp("finished", "when it was completed, expired, cancelled or refused"),
    timestamp("due", "when the facility is asked next; null: never", server_default=sa.func.now()),
    sa.ForeignKeyConstraint(
        ["targetid"], ["access.targets.targetid"], ondelete="SET NULL", name="observations_targetid_fkey"
    ),
    sa.UniqueConstraint("owner", "key", name="observations_key"),
    sa.Index("observations_targetid", "targetid"),
    sa.Index("observations_due", "due"),
    comment="Requests of observations",
)  # fmt: skip
"""Requests of observations."""

observation_products = sa.Table(
    "observation_products",
    access_metadata,
    _identity("productid", "identifier of the file"),
    bigint("observationid", "request", nullable=False),
    text("remote", "identifier at the facility", nullable=False),
    text("name", "name of the file", nullable=False),
    text("url", "where it was last found; empty: it is asked for again", nullable=False, server_default=""),
    text("state", "waiting, stored or lost", nullable=False, server_default="waiting"),
    text("path", "place in the object store; empty: not stored", nullable=False, server_default=""),
    bigint("bytes", "size", "byte"),
    text("sha256", "SHA-256 of the file", nullable=False, server_default=""),
    integer("attempts", "attempts to fetch it", nullable=False, server_default="0"),
    text("failure", "why the last attempt failed", nullable=False, server_default=""),
    timestamp("found", "when the facility first named it", nullable=False, server_default=sa.func.now()),
    timestamp("stored", "when it was stored"),
    timestamp("due", "when it is fetched next; null: never", server_default=sa.func.now()),
    sa.ForeignKeyConstraint(
        ["observationid"], ["access.observations.observationid"], ondelete="CASCADE",
        name="observation_products_observationid_fkey",
    ),
    sa.UniqueConstraint("observationid", "remote", name="observation_products_remote"),
    sa.Index("observation_products_due", "due"),
    comment="Files of observations",
)  # fmt: skip
"""Files of observations."""

calendar_events = sa.Table(
    "calendar_events",
    access_metadata,
    _identity("eventid", "identifier of the event"),
    text("owner", "account that made it", nullable=False),
    text("name", "what it is called", nullable=False),
    text("facility", "facility whose members see it too; empty: only the account", nullable=False, server_default=""),
    text("description", "remark", nullable=False, server_default=""),
    timestamp("begins", "when it begins", nullable=False),
    timestamp("ends", "when it ends", nullable=False),
    timestamp("modified", "when it was last changed", nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("begins < ends", name="calendar_events_order"),
    sa.Index("calendar_events_owner", "owner", "begins"),
    sa.Index("calendar_events_facility", sa.text("lower(facility)"), "begins"),
    comment="Events of calendars: nights and blocks at facilities, and others",
)
"""Events of calendars."""

calendar_feeds = sa.Table(
    "calendar_feeds",
    access_metadata,
    bigint("userid", "account", primary_key=True, autoincrement=False),
    text("digest", "SHA-256 of the secret in the address of its calendar", nullable=False),
    timestamp("made", "when the address was made", nullable=False, server_default=sa.func.now()),
    sa.UniqueConstraint("digest", name="calendar_feeds_digest"),
    comment="Secret addresses of calendars",
)
"""Secret addresses of calendars."""
