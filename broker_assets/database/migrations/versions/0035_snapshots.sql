CREATE TABLE snapshots (
	snapshotid TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	bytes BIGINT NOT NULL, 
	path TEXT NOT NULL, 
	title TEXT DEFAULT '' NOT NULL, 
	question JSONB NOT NULL, 
	versions JSONB NOT NULL, 
	contents JSONB NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT snapshots_pkey PRIMARY KEY (snapshotid)
);

CREATE INDEX snapshots_created_at ON snapshots (created_at);

COMMENT ON TABLE snapshots IS 'Answers that were frozen so that they can be cited: objects, light curves and features with versions';

COMMENT ON COLUMN snapshots.snapshotid IS 'identifier: s and the first 16 digits of sha256';

COMMENT ON COLUMN snapshots.sha256 IS 'SHA-256 of the file, hexadecimal';

COMMENT ON COLUMN snapshots.bytes IS 'size of the file [byte]';

COMMENT ON COLUMN snapshots.path IS 'path of the file in the object store';

COMMENT ON COLUMN snapshots.title IS 'what it is, for people';

COMMENT ON COLUMN snapshots.question IS 'what was asked';

COMMENT ON COLUMN snapshots.versions IS 'versions of what the answer was computed from';

COMMENT ON COLUMN snapshots.contents IS 'files in it, with rows and SHA-256';

COMMENT ON COLUMN snapshots.created_at IS 'when it was frozen [UTC]';

