"""Uploads, trials and requests of accounts: in the schema of accounts, which users' SQL cannot read."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.access import access_metadata
from broker_assets.database.tables.columns import bigint, blob, column, date, flag, integer, text, timestamp


def _identity(name: str, meaning: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), sa.Identity(always=False), primary_key=True, comment=meaning)


uploads = sa.Table(
    "uploads",
    access_metadata,
    _identity("uploadid", "identifier of the upload"),
    bigint("userid", "account that uploaded", nullable=False),
    text("kind", "watchlist or area", nullable=False),
    bigint("item", "the list that it became, or was added to; null: it was refused as a whole"),
    text("name", "name of the file, or `pasted text`", nullable=False),
    timestamp("at", "when", nullable=False, server_default=sa.func.now()),
    integer("accepted", "lines that were accepted", nullable=False),
    column("rejected", sa.JSON(), "lines that were not: line, text, reason; at most some thousands", nullable=False),
    integer("rejects", "lines that were not accepted, those beyond included", nullable=False),
    sa.Index("uploads_userid", "userid", "uploadid"),
    comment="Files of lists that accounts uploaded, with the lines that were not accepted",
)
"""Uploads of lists."""

trials = sa.Table(
    "trials",
    access_metadata,
    _identity("trialid", "identifier of the trial"),
    bigint("userid", "account that asked for it", nullable=False),
    bigint("filterid", "filter that is tried; null: one that is not saved"),
    integer("version", "version of the filter that is tried"),
    flag("activates", "whether the filter is activated if it keeps to its quota", nullable=False),
    text("definition", "what is tried: a SELECT, or the form as JSON", nullable=False),
    integer("nights", "newest nights of the archive that it is tried on", nullable=False),
    integer("most_alerts", "alerts of a night that are read, about; null: all"),
    flag("lists_now", "whether lists are applied as they are now", nullable=False),
    text("state", "waiting, running, done, refused, failed or cancelled", nullable=False, server_default="waiting"),
    text("said", "why it is refused or failed", nullable=False, server_default=""),
    date("night", "night that is being read"),
    integer("alerts", "alerts of that night that were read", nullable=False, server_default="0"),
    column("result", sa.JSON(), "what the filter passes, night by night"),
    timestamp("asked_at", "when it was asked for", nullable=False, server_default=sa.func.now()),
    timestamp("begun_at", "when it began"),
    timestamp("seen_at", "when its process last said that it works"),
    timestamp("finished_at", "when it ended"),
    sa.Index("trials_userid", "userid", "trialid"),
    sa.Index("trials_waiting", "trialid", postgresql_where=sa.text("state IN ('waiting', 'running')")),
    comment="Filters tried on past nights from the pages",
)
"""Trials of filters."""

annotator_requests = sa.Table(
    "annotator_requests",
    access_metadata,
    _identity("requestid", "identifier of the request"),
    bigint("userid", "account that asks to annotate", nullable=False),
    text("topic", "topic that it asks for", nullable=False),
    text("description", "what it would annotate, and by which method", nullable=False),
    text("url", "page about it"),
    timestamp("at", "when it was asked", nullable=False, server_default=sa.func.now()),
    flag("accepted", "the answer; null: there is none yet"),
    text("said", "why", nullable=False, server_default=""),
    timestamp("answered_at", "when it was answered"),
    bigint("answered_by", "account that answered"),
    sa.Index("annotator_requests_userid", "userid"),
    comment="Who asks to annotate objects",
)
"""Who asks to annotate objects."""

tap_jobs = sa.Table(
    "tap_jobs",
    access_metadata,
    text("jobid", "identifier of the job, which nobody can guess", primary_key=True),
    bigint("userid", "account that owns it; null: all who know its identifier"),
    text("address", "network address that made a job without an account", nullable=False, server_default=""),
    text("phase", "phase of UWS: PENDING, QUEUED, EXECUTING, COMPLETED, ERROR or ABORTED", nullable=False),
    column("parameters", sa.JSON(), "parameters of the query as they were given, uploads by name", nullable=False),
    integer("most_rows", "rows of the result, at most", nullable=False),
    integer("duration", "time that it may take", "s", nullable=False),
    timestamp("destruction", "when it is removed with its result", nullable=False),
    text("server", "address of the server as the client wrote it", nullable=False, server_default=""),
    integer("attempts", "how often it began", nullable=False, server_default="0"),
    text("said", "why it failed", nullable=False, server_default=""),
    text("media_type", "media type of the result", nullable=False, server_default=""),
    bigint("bytes", "size of the result", "byte", nullable=False, server_default="0"),
    timestamp("asked_at", "when it was made", nullable=False, server_default=sa.func.now()),
    timestamp("begun_at", "when it last began"),
    timestamp("seen_at", "when its process last said that it works"),
    timestamp("finished_at", "when it ended"),
    sa.Index("tap_jobs_userid", "userid", "asked_at"),
    sa.Index("tap_jobs_unfinished", "asked_at", postgresql_where=sa.text("phase IN ('QUEUED', 'EXECUTING')")),
    sa.Index("tap_jobs_destruction", "destruction"),
    comment="Asynchronous queries of TAP",
)
"""Asynchronous queries."""

tap_uploads = sa.Table(
    "tap_uploads",
    access_metadata,
    text("jobid", "job", primary_key=True),
    text("name", "name of the table in the query", primary_key=True),
    blob("content", "the VOTable as it was sent", nullable=False),
    sa.ForeignKeyConstraint(["jobid"], ["access.tap_jobs.jobid"], ondelete="CASCADE", name="tap_uploads_jobid_fkey"),
    comment="Tables that were uploaded with asynchronous queries",
)
"""Uploaded tables."""

tap_results = sa.Table(
    "tap_results",
    access_metadata,
    text("jobid", "job", primary_key=True),
    integer("number", "place of the piece, from 0", primary_key=True, autoincrement=False),
    blob("content", "a piece of the file", nullable=False),
    sa.ForeignKeyConstraint(["jobid"], ["access.tap_jobs.jobid"], ondelete="CASCADE", name="tap_results_jobid_fkey"),
    comment="Results of asynchronous queries, in pieces",
)
"""Results."""
