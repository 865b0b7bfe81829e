CREATE TABLE cold_months (
	name TEXT NOT NULL, 
	month DATE NOT NULL, 
	begins DOUBLE PRECISION NOT NULL, 
	ends DOUBLE PRECISION NOT NULL, 
	rows BIGINT NOT NULL, 
	checksum NUMERIC(20) NOT NULL, 
	snapshotid BIGINT NOT NULL, 
	detached_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT cold_months_pkey PRIMARY KEY (name, month)
);

COMMENT ON TABLE cold_months IS 'Months whose points are in the cold store, but for those that came later';

COMMENT ON COLUMN cold_months.name IS 'table whose points they are';

COMMENT ON COLUMN cold_months.month IS 'first day of the month';

COMMENT ON COLUMN cold_months.begins IS 'when the month begins [d, MJD TAI]';

COMMENT ON COLUMN cold_months.ends IS 'when the next one begins [d, MJD TAI]';

COMMENT ON COLUMN cold_months.rows IS 'rows that left the database';

COMMENT ON COLUMN cold_months.checksum IS 'sum of the hashes of all rows of the month, modulo 2⁶⁴, equal here and in the cold store';

COMMENT ON COLUMN cold_months.snapshotid IS 'snapshot of the cold store that was proven to have them';

COMMENT ON COLUMN cold_months.detached_at IS 'when they left [UTC]';

CREATE TABLE cold_nights (
	name TEXT NOT NULL, 
	night DATE NOT NULL, 
	rows BIGINT NOT NULL, 
	checksum NUMERIC(20) NOT NULL, 
	snapshotid BIGINT NOT NULL, 
	changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT cold_nights_pkey PRIMARY KEY (name, night)
);

COMMENT ON TABLE cold_nights IS 'Nights in the tables of the cold store';

COMMENT ON COLUMN cold_nights.name IS 'table of the cold store';

COMMENT ON COLUMN cold_nights.night IS 'night';

COMMENT ON COLUMN cold_nights.rows IS 'rows that the night has there';

COMMENT ON COLUMN cold_nights.checksum IS 'sum of the hashes of the rows, modulo 2⁶⁴';

COMMENT ON COLUMN cold_nights.snapshotid IS 'snapshot that brought the night in its present form';

COMMENT ON COLUMN cold_nights.changed_at IS 'when it was written [UTC]';

CREATE TABLE cold_tables (
	name TEXT NOT NULL, 
	metadata_location TEXT NOT NULL, 
	snapshotid BIGINT NOT NULL, 
	changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT cold_tables_pkey PRIMARY KEY (name)
);

COMMENT ON TABLE cold_tables IS 'Tables of the cold store (Apache Iceberg) as readers see them';

COMMENT ON COLUMN cold_tables.name IS 'table of the cold store';

COMMENT ON COLUMN cold_tables.metadata_location IS 'its metadata file, which says what its newest snapshot contains';

COMMENT ON COLUMN cold_tables.snapshotid IS 'number of that snapshot, by which it can be cited';

COMMENT ON COLUMN cold_tables.changed_at IS 'when it was written [UTC]';

CREATE TABLE cold_thawed (
	night DATE NOT NULL, 
	thawed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT cold_thawed_pkey PRIMARY KEY (night)
);

COMMENT ON TABLE cold_thawed IS 'Nights whose points are in the database again, also those of months that had left it';

COMMENT ON COLUMN cold_thawed.night IS 'night of the packets';

COMMENT ON COLUMN cold_thawed.thawed_at IS 'when its points were brought back [UTC]';


CREATE SCHEMA IF NOT EXISTS detached;

CREATE SCHEMA IF NOT EXISTS iceberg;
