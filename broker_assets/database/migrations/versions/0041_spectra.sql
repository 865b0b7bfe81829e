CREATE TABLE spectrum_facilities (
	facility TEXT NOT NULL, 
	userid BIGINT NOT NULL, 
	since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT spectrum_facilities_pkey PRIMARY KEY (facility)
);

COMMENT ON TABLE spectrum_facilities IS 'Facilities that take spectra; members of the group of the same name may plan for them too';

COMMENT ON COLUMN spectrum_facilities.facility IS 'name of the facility';

COMMENT ON COLUMN spectrum_facilities.userid IS 'account that used the name first, and may plan for it';

COMMENT ON COLUMN spectrum_facilities.since IS 'when it did [UTC]';

DELETE FROM elasticc2_plannedspectra AS older USING elasticc2_plannedspectra AS newer
WHERE older.diaobject_id = newer.diaobject_id AND older.facility = newer.facility AND older.reqspec_id < newer.reqspec_id;

SET CONSTRAINTS ALL IMMEDIATE;

ALTER TABLE elasticc2_plannedspectra ADD CONSTRAINT plannedspectra_unique UNIQUE (diaobject_id, facility);

DROP INDEX elasticc2_plannedspectra_diaobject_id;

COMMENT ON TABLE elasticc2_plannedspectra IS 'Spectra that facilities plan to take, one of each object and facility';

ALTER TABLE db_queryqueue ADD COLUMN userid BIGINT;

ALTER TABLE db_queryqueue ADD COLUMN attempts INTEGER DEFAULT 0 NOT NULL;

ALTER TABLE db_queryqueue ADD COLUMN statement INTEGER DEFAULT 0 NOT NULL;

ALTER TABLE db_queryqueue ADD COLUMN resultrows BIGINT DEFAULT 0 NOT NULL;

ALTER TABLE db_queryqueue ADD COLUMN resultbytes BIGINT;

ALTER TABLE db_queryqueue ADD COLUMN seen_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE db_queryqueue ADD COLUMN cancelled BOOLEAN DEFAULT false NOT NULL;

COMMENT ON COLUMN db_queryqueue.userid IS 'account that submitted it; null: one of the original';

COMMENT ON COLUMN db_queryqueue.attempts IS 'runs that began it';

COMMENT ON COLUMN db_queryqueue.statement IS 'statement that runs, from 1; 0: none yet';

COMMENT ON COLUMN db_queryqueue.resultrows IS 'rows of the result that were read so far';

COMMENT ON COLUMN db_queryqueue.resultbytes IS 'bytes of the result; null: there is none';

COMMENT ON COLUMN db_queryqueue.seen_at IS 'when its run last said that it works [UTC]';

COMMENT ON COLUMN db_queryqueue.cancelled IS 'whether its account has cancelled it';

DROP INDEX db_queryqueue_submitted;

CREATE INDEX db_queryqueue_submitted ON db_queryqueue (submitted) WHERE finished IS NULL;

CREATE INDEX db_queryqueue_userid ON db_queryqueue (userid, submitted);
