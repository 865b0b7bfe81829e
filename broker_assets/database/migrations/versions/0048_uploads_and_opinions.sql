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

CREATE TABLE object_opinions (
	kind TEXT NOT NULL, 
	diaobjectid BIGINT NOT NULL, 
	source TEXT NOT NULL, 
	said TEXT NOT NULL, 
	probability REAL, 
	sources INTEGER NOT NULL, 
	CONSTRAINT object_opinions_pkey PRIMARY KEY (kind, diaobjectid)
);

COMMENT ON TABLE object_opinions IS 'What each kind of source says of an object, when sources were last compared';

COMMENT ON COLUMN object_opinions.kind IS 'kind of the source: annotator, broker, classifier, context or tns';

COMMENT ON COLUMN object_opinions.diaobjectid IS 'object';

COMMENT ON COLUMN object_opinions.source IS 'the source of this kind that is surest';

COMMENT ON COLUMN object_opinions.said IS 'class that it gives, in its own words';

COMMENT ON COLUMN object_opinions.probability IS 'probability that it gives, if it does';

COMMENT ON COLUMN object_opinions.sources IS 'sources of this kind that say something of the object';
