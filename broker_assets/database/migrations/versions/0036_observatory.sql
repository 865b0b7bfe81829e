CREATE TABLE IF NOT EXISTS access.tap_jobs (
	jobid TEXT NOT NULL, 
	userid BIGINT, 
	address TEXT DEFAULT '' NOT NULL, 
	phase TEXT NOT NULL, 
	parameters JSON NOT NULL, 
	most_rows INTEGER NOT NULL, 
	duration INTEGER NOT NULL, 
	destruction TIMESTAMP WITH TIME ZONE NOT NULL, 
	server TEXT DEFAULT '' NOT NULL, 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	said TEXT DEFAULT '' NOT NULL, 
	media_type TEXT DEFAULT '' NOT NULL, 
	bytes BIGINT DEFAULT '0' NOT NULL, 
	asked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	begun_at TIMESTAMP WITH TIME ZONE, 
	seen_at TIMESTAMP WITH TIME ZONE, 
	finished_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT tap_jobs_pkey PRIMARY KEY (jobid)
);

CREATE INDEX IF NOT EXISTS tap_jobs_destruction ON access.tap_jobs (destruction);

CREATE INDEX IF NOT EXISTS tap_jobs_unfinished ON access.tap_jobs (asked_at) WHERE phase IN ('QUEUED', 'EXECUTING');

CREATE INDEX IF NOT EXISTS tap_jobs_userid ON access.tap_jobs (userid, asked_at);

COMMENT ON TABLE access.tap_jobs IS 'Asynchronous queries of TAP';

COMMENT ON COLUMN access.tap_jobs.jobid IS 'identifier of the job, which nobody can guess';

COMMENT ON COLUMN access.tap_jobs.userid IS 'account that owns it; null: all who know its identifier';

COMMENT ON COLUMN access.tap_jobs.address IS 'network address that made a job without an account';

COMMENT ON COLUMN access.tap_jobs.phase IS 'phase of UWS: PENDING, QUEUED, EXECUTING, COMPLETED, ERROR or ABORTED';

COMMENT ON COLUMN access.tap_jobs.parameters IS 'parameters of the query as they were given, uploads by name';

COMMENT ON COLUMN access.tap_jobs.most_rows IS 'rows of the result, at most';

COMMENT ON COLUMN access.tap_jobs.duration IS 'time that it may take [s]';

COMMENT ON COLUMN access.tap_jobs.destruction IS 'when it is removed with its result [UTC]';

COMMENT ON COLUMN access.tap_jobs.server IS 'address of the server as the client wrote it';

COMMENT ON COLUMN access.tap_jobs.attempts IS 'how often it began';

COMMENT ON COLUMN access.tap_jobs.said IS 'why it failed';

COMMENT ON COLUMN access.tap_jobs.media_type IS 'media type of the result';

COMMENT ON COLUMN access.tap_jobs.bytes IS 'size of the result [byte]';

COMMENT ON COLUMN access.tap_jobs.asked_at IS 'when it was made [UTC]';

COMMENT ON COLUMN access.tap_jobs.begun_at IS 'when it last began [UTC]';

COMMENT ON COLUMN access.tap_jobs.seen_at IS 'when its process last said that it works [UTC]';

COMMENT ON COLUMN access.tap_jobs.finished_at IS 'when it ended [UTC]';

CREATE TABLE IF NOT EXISTS access.tap_results (
	jobid TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	content BYTEA NOT NULL, 
	CONSTRAINT tap_results_pkey PRIMARY KEY (jobid, number), 
	CONSTRAINT tap_results_jobid_fkey FOREIGN KEY(jobid) REFERENCES access.tap_jobs (jobid) ON DELETE CASCADE
);

COMMENT ON TABLE access.tap_results IS 'Results of asynchronous queries, in pieces';

COMMENT ON COLUMN access.tap_results.jobid IS 'job';

COMMENT ON COLUMN access.tap_results.number IS 'place of the piece, from 0';

COMMENT ON COLUMN access.tap_results.content IS 'a piece of the file';

CREATE TABLE IF NOT EXISTS access.tap_uploads (
	jobid TEXT NOT NULL, 
	name TEXT NOT NULL, 
	content BYTEA NOT NULL, 
	CONSTRAINT tap_uploads_pkey PRIMARY KEY (jobid, name), 
	CONSTRAINT tap_uploads_jobid_fkey FOREIGN KEY(jobid) REFERENCES access.tap_jobs (jobid) ON DELETE CASCADE
);

COMMENT ON TABLE access.tap_uploads IS 'Tables that were uploaded with asynchronous queries';

COMMENT ON COLUMN access.tap_uploads.jobid IS 'job';

COMMENT ON COLUMN access.tap_uploads.name IS 'name of the table in the query';

COMMENT ON COLUMN access.tap_uploads.content IS 'the VOTable as it was sent';

CREATE OR REPLACE VIEW obscore AS SELECT CASE WHEN kind ~ 'spectra|energy' THEN 'spectrum' WHEN kind ~ '^sci-xray-(vis|.*pd)' THEN 'visibility' WHEN kind ~ '^(ql|hk|asp|sci-xray-spec|sci-aspect)' THEN 'timeseries' END AS dataproduct_type, CASE WHEN level IN ('LB', 'L0', 'LL01') THEN 0 WHEN level IN ('L1', 'LL03') THEN 1 ELSE 2 END AS calib_level, 'STIX'::text AS obs_collection, COALESCE('request ' || request, 'day ' || day) || ' ' || kind AS obs_id, 'ivo://broker-assets/products?' || productfileid AS obs_publisher_did, COALESCE(current_setting('broker.address', true), '') || '/api/v1/products/' || productfileid || '/file' AS access_url, 'application/fits'::text AS access_format, (size + 999) / 1000 AS access_estsize, 'Sun'::text AS target_name, NULL::double precision AS s_ra, NULL::double precision AS s_dec, NULL::double precision AS s_fov, NULL::text AS s_region, NULL::bigint AS s_xel1, NULL::bigint AS s_xel2, NULL::double precision AS s_resolution, CASE WHEN starts ~ '^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d(:[0-5]\d(\.\d+)?)?Z?$' THEN extract(epoch FROM (rtrim(starts, 'Z') || '+00')::timestamptz)::double precision / 86400 + 40587 END AS t_min, CASE WHEN ends ~ '^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d(:[0-5]\d(\.\d+)?)?Z?$' THEN extract(epoch FROM (rtrim(ends, 'Z') || '+00')::timestamptz)::double precision / 86400 + 40587 END AS t_max, ((CASE WHEN ends ~ '^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d(:[0-5]\d(\.\d+)?)?Z?$' THEN extract(epoch FROM (rtrim(ends, 'Z') || '+00')::timestamptz)::double precision / 86400 + 40587 END) - (CASE WHEN starts ~ '^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d(:[0-5]\d(\.\d+)?)?Z?$' THEN extract(epoch FROM (rtrim(starts, 'Z') || '+00')::timestamptz)::double precision / 86400 + 40587 END)) * 86400 AS t_exptime, NULL::double precision AS t_resolution, "rows" AS t_xel, CASE WHEN kind ~ '^(sci-xray|ql-(lightcurve|background|spectra|variance)|cal-energy)' THEN 1.2398419843320026e-09::double precision / 150 END AS em_min, CASE WHEN kind ~ '^(sci-xray|ql-(lightcurve|background|spectra|variance)|cal-energy)' THEN 1.2398419843320026e-09::double precision / 4 END AS em_max, NULL::double precision AS em_res_power, NULL::bigint AS em_xel, CASE WHEN kind ~ '^(sci-xray|ql-(lightcurve|background|spectra|variance)|cal-energy)' THEN 'phot.count;em.X-ray' END AS o_ucd, NULL::text AS pol_states, NULL::bigint AS pol_xel, 'Solar Orbiter'::text AS facility_name, 'STIX'::text AS instrument_name, productfileid AS product_file_id 
FROM product_file 
WHERE product_file.superseded_at IS NULL;

COMMENT ON VIEW obscore IS 'Current product files of telemetry as observations in the data model ObsCore 1.1';
