"""What brokers report: their classifiers, their messages, and which detections are still to be imported."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import bigint, column, flag, integer, text, timestamp
from broker_assets.database.tables.tom.columns import key, numbered, tom_metadata

brokerclassifier = sa.Table(
    "elasticc2_brokerclassifier",
    tom_metadata,
    numbered("classifier_id", "number of the classifier"),
    column("brokername", sa.String(100), "broker", nullable=False),
    text("brokerversion", "version of the broker"),
    column("classifiername", sa.String(200), "classifier of the broker", nullable=False),
    text("classifierparams", "its parameters or version"),
    timestamp("modified", "when the classifier was first seen", nullable=False, server_default=sa.func.now()),
    sa.Index(
        "elasticc2_brokerclassifier_identity",
        "brokername",
        "brokerversion",
        "classifiername",
        "classifierparams",
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
    comment="Classifiers of brokers",
)
"""Classifiers of brokers."""

brokermessage = sa.Table(
    "elasticc2_brokermessage",
    tom_metadata,
    numbered("brokermessage_id", "number of the message"),
    bigint("streammessage_id", "offset in the topic; -1: it was uploaded"),
    column("topicname", sa.String(200), "topic; REST_push: it was uploaded"),
    key("alert_id", "alert that is classified"),
    bigint("diasource_id", "detection of the alert", nullable=False),
    timestamp("msghdrtimestamp", "time of the message by its header"),
    timestamp("descingesttimestamp", "when it was stored", nullable=False, server_default=sa.func.now()),
    timestamp("elasticcpublishtimestamp", "when the alert was published"),
    timestamp("brokeringesttimestamp", "when the broker received the alert"),
    column("classid", sa.ARRAY(sa.SmallInteger()), "classes, see taxonomy_classes", nullable=False),
    bigint("classifier_id", "classifier", nullable=False),
    column("probability", sa.ARRAY(sa.REAL()), "probability of each class", nullable=False),
    integer("kafka_partition", "partition of the topic; null where it is not known"),
    bigint("ingestid", "batch that stored it, see ingest_batch"),
    column("document", postgresql.JSONB(), "the whole message, where it has more than the columns"),
    sa.CheckConstraint("cardinality(classid) = cardinality(probability)", name="elasticc2_brokermessage_equal_lengths"),
    sa.Index("elasticc2_brokermessage_alert_id", "alert_id"),
    sa.Index("elasticc2_brokermessage_diasource_id", "diasource_id"),
    sa.Index("elasticc2_brokermessage_classifier_id", "classifier_id"),
    sa.Index("elasticc2_brokermessage_descingesttimestamp", "descingesttimestamp"),
    sa.Index(
        "elasticc2_brokermessage_uploaded",
        "classifier_id",
        "alert_id",
        "elasticcpublishtimestamp",
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("streammessage_id < 0"),
    ),
    sa.Index(
        "elasticc2_brokermessage_consumed",
        "topicname",
        "kafka_partition",
        "streammessage_id",
        "classifier_id",
        "alert_id",
        unique=True,
        postgresql_where=sa.text("streammessage_id >= 0"),
    ),
    comment="Classifications by brokers: one row for each message and classifier",
    postgresql_partition_by="HASH (alert_id)",
)
"""Classifications by brokers."""

message_uploads = sa.Table(
    "message_uploads",
    tom_metadata,
    key("ingestid", "batch of the upload, see ingest_batch"),
    text("username", "account that uploaded", nullable=False),
    text("sha256", "SHA-256 of what was sent, hexadecimal", nullable=False),
    timestamp("received_at", "when it arrived", nullable=False, server_default=sa.func.now()),
    comment="Uploads of classifications: by whom, and of which bytes",
)
"""Uploads of classifications."""

brokersourceids = sa.Table(
    "elasticc2_brokersourceids",
    tom_metadata,
    key("diasource_id", "detection that a message is about"),
    comment="Detections that messages are about and that were not imported since",
)
"""Detections that are to be imported."""

importppdbrunning = sa.Table(
    "elasticc2_importppdbrunning",
    tom_metadata,
    numbered("id", "number of the row"),
    flag("running", "whether an import is running", nullable=False),
    comment="One row: whether an import is running",
)
"""Whether an import is running; the import itself takes an advisory lock, which ends with its process."""
