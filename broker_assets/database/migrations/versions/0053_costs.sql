CREATE TABLE lasair_statistics (
	nid INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	value DOUBLE PRECISION, 
	CONSTRAINT lasair_statistics_pkey PRIMARY KEY (nid, name)
);

COMMENT ON TABLE lasair_statistics IS 'Numbers of each night under Lasair''s names';

COMMENT ON COLUMN lasair_statistics.nid IS 'night: days since 2017-01-01, each from 20:00 UTC on';

COMMENT ON COLUMN lasair_statistics.name IS 'name of the number, as Lasair has them';

COMMENT ON COLUMN lasair_statistics.value IS 'value';

CREATE TABLE run_costs (
	run_id TEXT NOT NULL, 
	asset TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	seconds DOUBLE PRECISION, 
	processor_seconds DOUBLE PRECISION, 
	rows BIGINT, 
	bytes BIGINT, 
	CONSTRAINT run_costs_pkey PRIMARY KEY (run_id, asset, stage)
);

CREATE INDEX run_costs_asset ON run_costs (asset, at);

CREATE INDEX run_costs_at ON run_costs USING brin (at);

COMMENT ON TABLE run_costs IS 'What each run cost, by asset and stage';

COMMENT ON COLUMN run_costs.run_id IS 'Dagster run';

COMMENT ON COLUMN run_costs.asset IS 'asset that it made; empty: all that it did, where it made several';

COMMENT ON COLUMN run_costs.stage IS 'step of its work; empty: all of it';

COMMENT ON COLUMN run_costs.at IS 'when it was recorded [UTC]';

COMMENT ON COLUMN run_costs.seconds IS 'time that it took; stages overlap [s]';

COMMENT ON COLUMN run_costs.processor_seconds IS 'time of processors that its process and the programs it started used [s]';

COMMENT ON COLUMN run_costs.rows IS 'rows, messages or files that it wrote or read';

COMMENT ON COLUMN run_costs.bytes IS 'their size [byte]';

