CREATE TABLE annotation_matches (
	filterid BIGINT NOT NULL, 
	diaobjectid BIGINT NOT NULL, 
	topic TEXT NOT NULL, 
	content TEXT NOT NULL, 
	annotationid BIGINT NOT NULL, 
	ingestid BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	night DATE NOT NULL, 
	row TEXT, 
	CONSTRAINT annotation_matches_pkey PRIMARY KEY (filterid, diaobjectid, topic, content)
);

CREATE INDEX annotation_matches_diaobjectid ON annotation_matches (diaobjectid);

CREATE INDEX annotation_matches_night ON annotation_matches (night, filterid);

COMMENT ON TABLE annotation_matches IS 'Filters that annotations triggered: each runs once for an object and content of an annotation';

COMMENT ON COLUMN annotation_matches.filterid IS 'filter';

COMMENT ON COLUMN annotation_matches.diaobjectid IS 'object that was annotated';

COMMENT ON COLUMN annotation_matches.topic IS 'annotator';

COMMENT ON COLUMN annotation_matches.content IS 'hash of the annotation''s content';

COMMENT ON COLUMN annotation_matches.annotationid IS 'the annotation';

COMMENT ON COLUMN annotation_matches.ingestid IS 'batch that applied the annotation';

COMMENT ON COLUMN annotation_matches.version IS 'version of the filter';

COMMENT ON COLUMN annotation_matches.night IS 'night in which it was applied, at Rubin';

COMMENT ON COLUMN annotation_matches.row IS 'columns that the filter selects, as a JSON object; null if the object did not pass';

CREATE TABLE filter_matches (
	diaobjectid BIGINT NOT NULL, 
	diasourceid BIGINT NOT NULL, 
	filterid BIGINT NOT NULL, 
	ingestid BIGINT NOT NULL, 
	night DATE NOT NULL, 
	version INTEGER NOT NULL, 
	rows INTEGER NOT NULL, 
	row TEXT NOT NULL, 
	CONSTRAINT filter_matches_pkey PRIMARY KEY (diaobjectid, diasourceid, filterid)
);

CREATE INDEX filter_matches_filterid ON filter_matches (filterid, night);

CREATE INDEX filter_matches_night ON filter_matches (night, filterid);

COMMENT ON TABLE filter_matches IS 'Alerts that passed a filter when they arrived';

COMMENT ON COLUMN filter_matches.diaobjectid IS 'object of the alert';

COMMENT ON COLUMN filter_matches.diasourceid IS 'source that triggered the alert';

COMMENT ON COLUMN filter_matches.filterid IS 'filter';

COMMENT ON COLUMN filter_matches.ingestid IS 'batch that computed the fact';

COMMENT ON COLUMN filter_matches.night IS 'night of the alert';

COMMENT ON COLUMN filter_matches.version IS 'its version';

COMMENT ON COLUMN filter_matches.rows IS 'rows that the filter returns for the alert; the first of them is kept';

COMMENT ON COLUMN filter_matches.row IS 'columns that the filter selects, as a JSON object';

CREATE TABLE filter_periods (
	filterid BIGINT NOT NULL, 
	revision_from BIGINT NOT NULL, 
	revision_to BIGINT, 
	version INTEGER NOT NULL, 
	on_alerts BOOLEAN NOT NULL, 
	on_annotations BOOLEAN NOT NULL, 
	CONSTRAINT filter_periods_pkey PRIMARY KEY (filterid, revision_from)
);

CREATE UNIQUE INDEX filter_periods_open ON filter_periods (filterid) WHERE revision_to IS NULL;

CREATE INDEX filter_periods_revision_from ON filter_periods (revision_from);

CREATE INDEX filter_periods_revision_to ON filter_periods (revision_to);

COMMENT ON TABLE filter_periods IS 'When each filter ran, in which version and for what';

COMMENT ON COLUMN filter_periods.filterid IS 'filter';

COMMENT ON COLUMN filter_periods.revision_from IS 'number of the change that began it, see revision_counter';

COMMENT ON COLUMN filter_periods.revision_to IS 'number of the change that ended it; null while it is current';

COMMENT ON COLUMN filter_periods.version IS 'version that ran in it';

COMMENT ON COLUMN filter_periods.on_alerts IS 'whether alerts triggered it';

COMMENT ON COLUMN filter_periods.on_annotations IS 'whether annotations triggered it';

CREATE TABLE filter_runs (
	ingestid BIGINT NOT NULL, 
	night DATE NOT NULL, 
	filterid BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	matches INTEGER NOT NULL, 
	over_limit INTEGER NOT NULL, 
	seconds DOUBLE PRECISION, 
	problem TEXT, 
	message TEXT, 
	CONSTRAINT filter_runs_pkey PRIMARY KEY (ingestid, night, filterid)
);

CREATE INDEX filter_runs_filterid ON filter_runs (filterid, ingestid);

CREATE INDEX filter_runs_night ON filter_runs (night, filterid);

COMMENT ON TABLE filter_runs IS 'How filters ran over each batch, where one matched something or had a problem';

COMMENT ON COLUMN filter_runs.ingestid IS 'batch';

COMMENT ON COLUMN filter_runs.night IS 'night of the alerts';

COMMENT ON COLUMN filter_runs.filterid IS 'filter';

COMMENT ON COLUMN filter_runs.version IS 'its version';

COMMENT ON COLUMN filter_runs.matches IS 'alerts that passed';

COMMENT ON COLUMN filter_runs.over_limit IS 'alerts that passed beyond the limit of a batch, and are not kept';

COMMENT ON COLUMN filter_runs.seconds IS 'time that it took; null where it was not measured alone [s]';

COMMENT ON COLUMN filter_runs.problem IS 'error, time or memory: why it has no matches; starved: it did not run, for lack of time';

COMMENT ON COLUMN filter_runs.message IS 'what went wrong';

CREATE TABLE filter_versions (
	filterid BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	definition TEXT NOT NULL, 
	tables TEXT NOT NULL, 
	annotators TEXT NOT NULL, 
	output TEXT NOT NULL, 
	duckdb_sql TEXT NOT NULL, 
	postgres_sql TEXT NOT NULL, 
	code_version TEXT NOT NULL, 
	saved_by TEXT NOT NULL, 
	saved_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	revision BIGINT NOT NULL, 
	CONSTRAINT filter_versions_pkey PRIMARY KEY (filterid, version)
);

COMMENT ON TABLE filter_versions IS 'Every version of every filter, for ever';

COMMENT ON COLUMN filter_versions.filterid IS 'filter; its versions are kept when it is removed';

COMMENT ON COLUMN filter_versions.version IS 'number of the version, from 1';

COMMENT ON COLUMN filter_versions.definition IS 'what the user wrote: a SELECT, or Lasair''s form as JSON';

COMMENT ON COLUMN filter_versions.tables IS 'tables that it reads, as a JSON list';

COMMENT ON COLUMN filter_versions.annotators IS 'topics of the annotators that it asks for, as a JSON list';

COMMENT ON COLUMN filter_versions.output IS 'names of the columns of its result, as a JSON list';

COMMENT ON COLUMN filter_versions.duckdb_sql IS 'the statement as it ran over batches when it was saved';

COMMENT ON COLUMN filter_versions.postgres_sql IS 'the statement as it ran over all objects when it was saved';

COMMENT ON COLUMN filter_versions.code_version IS 'version of the code that translated it';

COMMENT ON COLUMN filter_versions.saved_by IS 'account that saved it';

COMMENT ON COLUMN filter_versions.saved_at IS 'when it was saved [UTC]';

COMMENT ON COLUMN filter_versions.revision IS 'number of that change, see revision_counter';

CREATE TABLE filters (
	filterid BIGINT GENERATED BY DEFAULT AS IDENTITY, 
	owner TEXT NOT NULL, 
	name TEXT NOT NULL, 
	description TEXT DEFAULT '' NOT NULL, 
	active BOOLEAN DEFAULT false NOT NULL, 
	public BOOLEAN DEFAULT false NOT NULL, 
	on_alerts BOOLEAN DEFAULT true NOT NULL, 
	on_annotations BOOLEAN DEFAULT true NOT NULL, 
	version INTEGER NOT NULL, 
	matches_per_night BIGINT, 
	bytes_per_night BIGINT, 
	paused TEXT, 
	paused_at TIMESTAMP WITH TIME ZONE, 
	date_created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	date_modified TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	date_expire TIMESTAMP WITH TIME ZONE, 
	revision BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT filters_pkey PRIMARY KEY (filterid)
);

CREATE UNIQUE INDEX filters_owner_name ON filters (owner, lower(name));

COMMENT ON TABLE filters IS 'Filters: users'' conditions on alerts';

COMMENT ON COLUMN filters.filterid IS 'identifier of the filter';

COMMENT ON COLUMN filters.owner IS 'account that owns it';

COMMENT ON COLUMN filters.name IS 'name, unique for the owner whatever the case';

COMMENT ON COLUMN filters.description IS 'description';

COMMENT ON COLUMN filters.active IS 'whether it runs';

COMMENT ON COLUMN filters.public IS 'whether others may see it and read its matches';

COMMENT ON COLUMN filters.on_alerts IS 'whether alerts trigger it';

COMMENT ON COLUMN filters.on_annotations IS 'whether annotations trigger it';

COMMENT ON COLUMN filters.version IS 'newest version, which runs while the filter is active';

COMMENT ON COLUMN filters.matches_per_night IS 'matches a night above which it is paused; null: the setting of the platform';

COMMENT ON COLUMN filters.bytes_per_night IS 'bytes a night that are delivered; null: the setting of the platform [byte]';

COMMENT ON COLUMN filters.paused IS 'why the platform paused it; null: it did not, or the filter was enabled again';

COMMENT ON COLUMN filters.paused_at IS 'when that was [UTC]';

COMMENT ON COLUMN filters.date_created IS 'when it was created [UTC]';

COMMENT ON COLUMN filters.date_modified IS 'when it or its version last changed [UTC]';

COMMENT ON COLUMN filters.date_expire IS 'when it stops running; null: never [UTC]';

COMMENT ON COLUMN filters.revision IS 'number of its last change, see revision_counter';

