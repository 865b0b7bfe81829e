ALTER TABLE notification ADD COLUMN kind TEXT DEFAULT '' NOT NULL;

ALTER TABLE notification ADD COLUMN asset TEXT DEFAULT '' NOT NULL;

ALTER TABLE notification ADD COLUMN partition TEXT DEFAULT '' NOT NULL;

ALTER TABLE notification ADD COLUMN detail TEXT DEFAULT '' NOT NULL;

ALTER TABLE notification ADD COLUMN severity TEXT DEFAULT 'error' NOT NULL;

ALTER TABLE notification ADD COLUMN link TEXT DEFAULT '' NOT NULL;

ALTER TABLE notification ADD COLUMN event BIGINT;

ALTER TABLE notification ADD COLUMN ended_by TEXT;

ALTER TABLE notification ADD COLUMN end_sent_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE notification ADD CONSTRAINT notification_severity CHECK (severity IN ('warning', 'error'));

CREATE INDEX notification_open ON notification (kind) WHERE ended_at IS NULL;

UPDATE notification SET severity = 'warning' WHERE subject ~ '^warning: ';

UPDATE notification SET kind = 'check', asset = substring(cause from '^check (.*)/[^/]+?(?: of \S+)?$'), detail = substring(cause from '/([^/ ]+)(?: of \S+)?$'), partition = coalesce(substring(cause from ' of (\S+)$'), '') WHERE cause ~ '^check .+/[^/]+';

UPDATE notification SET kind = 'freshness', asset = substring(cause from 14) WHERE cause ~ '^freshness of ';

UPDATE notification SET ended_at = now(), ended_by = 'causes of failed runs are named otherwise since' WHERE cause ~ '^run of ' AND ended_at IS NULL;

UPDATE notification SET end_sent_at = coalesce(sent_at, ended_at) WHERE ended_at IS NOT NULL;

COMMENT ON COLUMN notification.cause IS 'kind, asset and partition of what failed, in one text';

COMMENT ON COLUMN notification.kind IS 'check, run, backfill, sensor, freshness, stream or canary';

COMMENT ON COLUMN notification.asset IS 'asset, job, sensor or stream that is affected';

COMMENT ON COLUMN notification.partition IS 'partition of the asset that is affected; empty if it has none';

COMMENT ON COLUMN notification.detail IS 'check or job that failed';

COMMENT ON COLUMN notification.severity IS 'warning or error';

COMMENT ON COLUMN notification.link IS 'page that shows it';

COMMENT ON COLUMN notification.event IS 'event of Dagster''s log that reported the cause last';

COMMENT ON COLUMN notification.ended_by IS 'what ended it';

COMMENT ON COLUMN notification.end_sent_at IS 'when operators were notified of the end [UTC]';

CREATE TABLE heartbeat (
	name TEXT NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	said TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT heartbeat_pkey PRIMARY KEY (name)
);

COMMENT ON TABLE heartbeat IS 'When the parts that nobody else watches last worked';

COMMENT ON COLUMN heartbeat.name IS 'what reports that it works';

COMMENT ON COLUMN heartbeat.at IS 'when it last did [UTC]';

COMMENT ON COLUMN heartbeat.said IS 'what it found';
