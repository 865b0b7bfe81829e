"""Sinks of filters, the outbox with the fate of each message, and messages to owners."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import (
    bigint,
    column,
    date,
    flag,
    integer,
    metadata,
    text,
    timestamp,
)


def _identity(name: str, meaning: str) -> sa.Column[int]:
    return sa.Column(
        name.lower(),
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment=meaning,
        info={"documented": name, "unit": ""},
    )


filter_sinks = sa.Table(
    "filter_sinks",
    metadata,
    _identity("sinkId", "identifier of the sink"),
    bigint("filterId", "filter whose matches it receives, see filters", nullable=False),
    text("owner", "owner of the filter", nullable=False),
    text("name", "name of the filter when the sink was made, for subjects of messages", nullable=False),
    text("kind", "kafka, email, webhook or apprise", nullable=False),
    text("target", "topic, address, URL, or name of a destination of the settings", nullable=False),
    text(
        "format",
        "plain: the columns of the filter; lite: and the light curve; full: and the packet without images; "
        "gcn: JSON of GCN; voevent: VOEvent 2.0",
        nullable=False,
        server_default="plain",
    ),
    text("schedule", "now, hour or day: at once, or what came in together", nullable=False, server_default="now"),
    flag("public", "whether anybody may read its topic", nullable=False, server_default=sa.false()),
    flag("active", "whether matches are queued for it", nullable=False, server_default=sa.true()),
    bigint("messages_per_night", "maximum number of messages that it receives for a night; null: no limit"),
    bigint("bytes_per_night", "maximum size of the messages that it receives for a night; null: no limit", "byte"),
    timestamp("created_at", "when it was made", server_default=sa.func.now(), nullable=False),
    timestamp("removed_at", "when its owner removed it; it keeps its topic"),
    timestamp(
        "due_at",
        "when it is sent to next: after a failure, or for what is sent together",
        server_default=sa.func.now(),
        nullable=False,
    ),
    integer("failures", "failures in a row", nullable=False, server_default="0"),
    text("failure", "the last of them; null since a message was delivered"),
    bigint("position", "for a topic: offset from which messages are looked for that a dead sender may have written"),
    sa.UniqueConstraint("filterid", "kind", "target", name="filter_sinks_target"),
    sa.CheckConstraint("kind IN ('kafka', 'email', 'webhook', 'apprise')", name="filter_sinks_kind"),
    sa.CheckConstraint("format IN ('plain', 'lite', 'full', 'gcn', 'voevent')", name="filter_sinks_format"),
    sa.CheckConstraint("schedule IN ('now', 'hour', 'day')", name="filter_sinks_schedule"),
    # Removed sinks keep theirs: another filter never writes to a topic that its readers know as this filter's.
    sa.Index("filter_sinks_topic", "target", unique=True, postgresql_where=sa.text("kind = 'kafka'")),
    comment="Where the matches of each filter are sent",
)
"""Where the matches of each filter are sent."""

deliveries = sa.Table(
    "deliveries",
    metadata,
    _identity("deliveryId", "identifier of the message; messages of a sink are sent in this order"),
    text("identity", "MD5 of filter, sink and trigger: the same whenever the message is sent again", nullable=False),
    bigint("sinkId", "sink, see filter_sinks", nullable=False),
    bigint("filterId", "filter, see filters", nullable=False),
    integer("version", "version of the filter that matched", nullable=False),
    text("trigger", "alert/<diaObjectId>/<diaSourceId> or annotation/<annotationId>", nullable=False),
    bigint("diaObjectId", "object", nullable=False),
    bigint("diaSourceId", "source of the alert; null for annotations"),
    date("night", "night of the alert, or in which the annotation arrived", nullable=False),
    bigint("ingestId", "batch that found the match, see ingest_batch", nullable=False),
    text("record", "columns that the filter selects, a JSON object; empty once the message is pruned", nullable=False),
    flag("late", "whether it comes from a retry, long after its alert", nullable=False, server_default=sa.false()),
    timestamp("created_at", "when the match was stored", server_default=sa.func.now(), nullable=False),
    text(
        "state",
        "pending; sending (begun); delivered; dead (given up, see failure); over_quota; dismissed",
        nullable=False,
        server_default="pending",
    ),
    integer("attempts", "attempts to send it", nullable=False, server_default="0"),
    timestamp("sent_at", "when the last attempt began"),
    timestamp("finished_at", "when it was delivered, given up or refused"),
    text("failure", "why the last attempt failed"),
    column("receipt", postgresql.JSONB(), "what the sink answered: topic, partition and offset; reply; status"),
    bigint("bytes", "size of the message", "byte"),
    sa.CheckConstraint(
        "state IN ('pending', 'sending', 'delivered', 'dead', 'over_quota', 'dismissed')", name="deliveries_state"
    ),
    sa.Index("deliveries_waiting", "sinkid", "deliveryid", postgresql_where=sa.text("state IN ('pending', 'sending')")),
    sa.Index("deliveries_refused", "sinkid", "state", postgresql_where=sa.text("state IN ('dead', 'over_quota')")),
    sa.Index("deliveries_night", "night", "filterid"),
    sa.Index("deliveries_object", "diaobjectid"),
    comment="The outbox: a message for each match and sink of its filter, and what became of it",
)
"""The outbox."""

delivery_identities = sa.Table(
    "delivery_identities",
    metadata,
    text("identity", "MD5 of filter, sink and trigger, see deliveries", primary_key=True),
    comment="Every message that was ever queued, so that none is queued twice; kept for ever",
)
"""Every message that was ever queued."""

delivery_usage = sa.Table(
    "delivery_usage",
    metadata,
    bigint("sinkId", "sink, see filter_sinks", primary_key=True, autoincrement=False),
    date("night", "night of the messages", primary_key=True),
    bigint("messages", "messages delivered", nullable=False, server_default="0"),
    bigint("bytes", "their size", "byte", nullable=False, server_default="0"),
    bigint("over_quota", "messages not sent because a quota was used up", nullable=False, server_default="0"),
    comment="What each sink received for each night, for its quotas",
)
"""What each sink received for each night."""

owner_contacts = sa.Table(
    "owner_contacts",
    metadata,
    text("owner", "owner of filters, lists or annotators", primary_key=True),
    text("email", "address for messages about them; null: none are sent"),
    timestamp("changed_at", "when it was last changed", server_default=sa.func.now(), nullable=False),
    comment="How owners are reached",
)
"""How owners are reached."""

owner_messages = sa.Table(
    "owner_messages",
    metadata,
    _identity("messageId", "identifier of the message"),
    text("owner", "to whom", nullable=False),
    text("subject", "subject", nullable=False),
    text("body", "text", nullable=False),
    text("cause", "what it is about; of each cause the owner is notified once; null: always"),
    text("address", "address to send it to, if not that of the owner"),
    timestamp("created_at", "when it was queued", server_default=sa.func.now(), nullable=False),
    text("state", "pending, delivered or dead", nullable=False, server_default="pending"),
    timestamp("due_at", "when it is sent next", server_default=sa.func.now(), nullable=False),
    integer("attempts", "attempts to send it", nullable=False, server_default="0"),
    text("failure", "why the last attempt failed"),
    timestamp("finished_at", "when it was delivered or given up"),
    column("receipt", postgresql.JSONB(), "reply of the mail server"),
    sa.CheckConstraint("state IN ('pending', 'delivered', 'dead')", name="owner_messages_state"),
    sa.Index("owner_messages_cause", "owner", "cause", unique=True, postgresql_where=sa.text("cause IS NOT NULL")),
    sa.Index("owner_messages_pending", "due_at", postgresql_where=sa.text("state = 'pending'")),
    comment="Messages to owners, and for them to facilities",
)
"""Messages to owners."""

enriched_topics = sa.Table(
    "enriched_topics",
    metadata,
    text("topic", "Kafka topic", primary_key=True),
    bigint("archiveFileId", "newest file of the packet archive whose alerts are in it", nullable=False),
    bigint("packets", "packets of the next file that are in it", nullable=False, server_default="0"),
    bigint("next_offset", "offset after the last message known to be in it", nullable=False, server_default="0"),
    timestamp("updated_at", "when that was written", server_default=sa.func.now(), nullable=False),
    comment="How far the topic of all enriched alerts has come",
)
"""How far the topic of all enriched alerts has come."""

change_feeds = sa.Table(
    "change_feeds",
    metadata,
    _identity("feedId", "identifier of the feed"),
    text("owner", "whose it is", nullable=False),
    text("name", "name, unique for the owner", nullable=False),
    bigint("filterId", "the objects that this filter has matched; null: others"),
    bigint("wl_id", "the objects in this watchlist; null: others"),
    column("objects", postgresql.ARRAY(sa.BigInteger()), "the objects with these identifiers; null: others"),
    text("url", "webhook to which changes are sent"),
    bigint("cursor", "newest batch whose changes the owner has", nullable=False),
    flag("active", "whether changes are sent", nullable=False, server_default=sa.true()),
    timestamp("created_at", "when it was made", server_default=sa.func.now(), nullable=False),
    timestamp("due_at", "when it is checked next", server_default=sa.func.now(), nullable=False),
    integer("failures", "failures in a row", nullable=False, server_default="0"),
    text("failure", "the last of them; null since changes were delivered"),
    sa.UniqueConstraint("owner", "name", name="change_feeds_name"),
    sa.CheckConstraint("num_nonnulls(filterid, wl_id, objects) = 1", name="change_feeds_objects"),
    comment="Feeds of changes to objects that their owners already hold",
)
"""Feeds of changes to objects that their owners already hold."""
