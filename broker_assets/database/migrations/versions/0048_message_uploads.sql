CREATE TABLE message_uploads (
	ingestid BIGINT NOT NULL, 
	username TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT message_uploads_pkey PRIMARY KEY (ingestid)
);

COMMENT ON TABLE message_uploads IS 'Uploads of classifications: by whom, and of which bytes';

COMMENT ON COLUMN message_uploads.ingestid IS 'batch of the upload, see ingest_batch';

COMMENT ON COLUMN message_uploads.username IS 'account that uploaded';

COMMENT ON COLUMN message_uploads.sha256 IS 'SHA-256 of what was sent, hexadecimal';

COMMENT ON COLUMN message_uploads.received_at IS 'when it arrived [UTC]';
