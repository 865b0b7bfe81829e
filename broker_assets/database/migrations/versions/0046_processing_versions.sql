CREATE TABLE base_processing_version (
	id UUID DEFAULT gen_random_uuid() NOT NULL, 
	description TEXT NOT NULL, 
	notes TEXT, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now(), 
	_table TEXT NOT NULL, 
	reduction SMALLINT NOT NULL, 
	CONSTRAINT base_processing_version_pkey PRIMARY KEY (id), 
	CONSTRAINT base_processing_version_description UNIQUE (description, _table), 
	CONSTRAINT base_processing_version_reduction UNIQUE (reduction, _table)
);

COMMENT ON TABLE base_processing_version IS 'Base versions: one reduction of the data each, for one kind of rows';

COMMENT ON COLUMN base_processing_version.id IS 'identifier of the base version';

COMMENT ON COLUMN base_processing_version.description IS 'name of the base version: the same for all kinds of rows';

COMMENT ON COLUMN base_processing_version.notes IS 'remarks';

COMMENT ON COLUMN base_processing_version.created_at IS 'when it was made [UTC]';

COMMENT ON COLUMN base_processing_version._table IS 'kind of rows that it is of: diaobject, diaobject_position, diasource, diaforcedsource, host_galaxy';

COMMENT ON COLUMN base_processing_version.reduction IS 'number of the reduction in the tables of points; 0: that of the alerts';

CREATE TABLE processing_version (
	id UUID DEFAULT gen_random_uuid() NOT NULL, 
	description TEXT NOT NULL, 
	notes TEXT, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT processing_version_pkey PRIMARY KEY (id), 
	CONSTRAINT processing_version_description UNIQUE (description)
);

COMMENT ON TABLE processing_version IS 'Versions of the processing: lists of base versions with priorities';

COMMENT ON COLUMN processing_version.id IS 'identifier of the version';

COMMENT ON COLUMN processing_version.description IS 'name of the version';

COMMENT ON COLUMN processing_version.notes IS 'remarks';

COMMENT ON COLUMN processing_version.created_at IS 'when it was made [UTC]';

CREATE TABLE reassigned_sources (
	diasourceid BIGINT NOT NULL, 
	reduction SMALLINT NOT NULL, 
	diaobjectid BIGINT NOT NULL, 
	brought DOUBLE PRECISION, 
	CONSTRAINT reassigned_sources_pkey PRIMARY KEY (diasourceid, reduction)
);

COMMENT ON TABLE reassigned_sources IS 'Sources that alerts gave to several objects, and which object they belong to';

COMMENT ON COLUMN reassigned_sources.diasourceid IS 'source that alerts gave to several objects';

COMMENT ON COLUMN reassigned_sources.reduction IS 'reduction of the source';

COMMENT ON COLUMN reassigned_sources.diaobjectid IS 'object that the newest alert gives it to; to the others it belongs no longer';

COMMENT ON COLUMN reassigned_sources.brought IS 'time of the source of that alert [d, MJD TAI]';

CREATE TABLE root_diaobject (
	id UUID NOT NULL, 
	ra DOUBLE PRECISION, 
	dec DOUBLE PRECISION, 
	survey SMALLINT NOT NULL, 
	zone INTEGER NOT NULL, 
	CONSTRAINT root_diaobject_pkey PRIMARY KEY (id)
);

CREATE INDEX root_diaobject_dec ON root_diaobject (dec, ra);

CREATE INDEX root_diaobject_zone ON root_diaobject (survey, zone, ra);

COMMENT ON TABLE root_diaobject IS 'Root objects: places on the sky, above the identifiers of surveys';

COMMENT ON COLUMN root_diaobject.id IS 'identifier of the root object';

COMMENT ON COLUMN root_diaobject.ra IS 'right ascension: that of the object that it was made for [deg, ICRS]';

COMMENT ON COLUMN root_diaobject.dec IS 'declination [deg, ICRS]';

COMMENT ON COLUMN root_diaobject.survey IS 'survey of its objects: 1 Rubin, 2 ZTF, 3 ELAsTiCC';

COMMENT ON COLUMN root_diaobject.zone IS 'strip of declination, two arcseconds wide, for searches by position';

CREATE TABLE base_procver_of_procver (
	procver_id UUID NOT NULL, 
	base_procver_id UUID NOT NULL, 
	priority INTEGER NOT NULL, 
	_table TEXT NOT NULL, 
	CONSTRAINT base_procver_of_procver_pkey PRIMARY KEY (procver_id, base_procver_id), 
	CONSTRAINT base_procver_of_procver_procver_id_fkey FOREIGN KEY(procver_id) REFERENCES processing_version (id) ON DELETE RESTRICT, 
	CONSTRAINT base_procver_of_procver_base_procver_id_fkey FOREIGN KEY(base_procver_id) REFERENCES base_processing_version (id) ON DELETE RESTRICT, 
	CONSTRAINT base_procver_of_procver_priority UNIQUE (procver_id, _table, priority)
);

CREATE INDEX base_procver_of_procver_base_procver_id ON base_procver_of_procver (base_procver_id);

COMMENT ON TABLE base_procver_of_procver IS 'Which base versions a version consists of, with their priorities';

COMMENT ON COLUMN base_procver_of_procver.procver_id IS 'version';

COMMENT ON COLUMN base_procver_of_procver.base_procver_id IS 'base version that is part of it';

COMMENT ON COLUMN base_procver_of_procver.priority IS 'of the rows of one object and visit, that of the highest priority counts';

COMMENT ON COLUMN base_procver_of_procver._table IS 'kind of rows of the base version';

CREATE TABLE diaobject (
	diaobjectid BIGINT NOT NULL, 
	base_procver_id UUID NOT NULL, 
	rootid UUID NOT NULL, 
	CONSTRAINT diaobject_pkey PRIMARY KEY (diaobjectid, base_procver_id), 
	CONSTRAINT diaobject_diaobjectid UNIQUE (diaobjectid), 
	CONSTRAINT diaobject_base_procver_id_fkey FOREIGN KEY(base_procver_id) REFERENCES base_processing_version (id) ON DELETE RESTRICT, 
	CONSTRAINT diaobject_rootid_fkey FOREIGN KEY(rootid) REFERENCES root_diaobject (id) ON DELETE RESTRICT
);

CREATE INDEX diaobject_base_procver_id ON diaobject (base_procver_id);

CREATE INDEX diaobject_rootid ON diaobject (rootid);

COMMENT ON TABLE diaobject IS 'Which object belongs to which root object';

COMMENT ON COLUMN diaobject.diaobjectid IS 'identifier of the object, see objects';

COMMENT ON COLUMN diaobject.base_procver_id IS 'base version of the object';

COMMENT ON COLUMN diaobject.rootid IS 'root object that it belongs to';

CREATE TABLE host_galaxy (
	id UUID DEFAULT gen_random_uuid() NOT NULL, 
	host_catalog TEXT, 
	host_id TEXT, 
	base_procver_id UUID, 
	ra DOUBLE PRECISION, 
	dec DOUBLE PRECISION, 
	info JSONB DEFAULT '{}', 
	CONSTRAINT host_galaxy_pkey PRIMARY KEY (id), 
	CONSTRAINT host_galaxy_base_procver_id_fkey FOREIGN KEY(base_procver_id) REFERENCES base_processing_version (id) ON DELETE RESTRICT, 
	CONSTRAINT host_galaxy_specifier UNIQUE (host_catalog, host_id, base_procver_id)
);

COMMENT ON TABLE host_galaxy IS 'Galaxies that may be hosts';

COMMENT ON COLUMN host_galaxy.id IS 'identifier of the galaxy';

COMMENT ON COLUMN host_galaxy.host_catalog IS 'catalogue';

COMMENT ON COLUMN host_galaxy.host_id IS 'its identifier there';

COMMENT ON COLUMN host_galaxy.base_procver_id IS 'base version';

COMMENT ON COLUMN host_galaxy.ra IS 'right ascension [deg, ICRS]';

COMMENT ON COLUMN host_galaxy.dec IS 'declination [deg, ICRS]';

COMMENT ON COLUMN host_galaxy.info IS 'what the catalogue says';

CREATE TABLE plannedspectra (
	plannedspec_id UUID DEFAULT gen_random_uuid() NOT NULL, 
	root_diaobject_id UUID NOT NULL, 
	facility TEXT, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now(), 
	plantime TIMESTAMP WITH TIME ZONE, 
	comment TEXT, 
	is_host BOOLEAN, 
	wantspec_id TEXT, 
	CONSTRAINT plannedspectra_pkey PRIMARY KEY (plannedspec_id), 
	CONSTRAINT plannedspectra_root_diaobject_id_fkey FOREIGN KEY(root_diaobject_id) REFERENCES root_diaobject (id) ON DELETE RESTRICT
);

CREATE INDEX plannedspectra_created_at ON plannedspectra (created_at);

CREATE INDEX plannedspectra_root_diaobject_id ON plannedspectra (root_diaobject_id, facility);

COMMENT ON TABLE plannedspectra IS 'Spectra that facilities plan to take of root objects';

COMMENT ON COLUMN plannedspectra.plannedspec_id IS 'identifier of the plan';

COMMENT ON COLUMN plannedspectra.root_diaobject_id IS 'root object';

COMMENT ON COLUMN plannedspectra.facility IS 'facility that plans it';

COMMENT ON COLUMN plannedspectra.created_at IS 'when it was planned [UTC]';

COMMENT ON COLUMN plannedspectra.plantime IS 'when the spectrum is to be taken [UTC]';

COMMENT ON COLUMN plannedspectra.comment IS 'remark';

COMMENT ON COLUMN plannedspectra.is_host IS 'whether it is to be of the host galaxy';

COMMENT ON COLUMN plannedspectra.wantspec_id IS 'request that it answers';

CREATE TABLE processing_version_alias (
	description TEXT NOT NULL, 
	procver_id UUID NOT NULL, 
	CONSTRAINT processing_version_alias_pkey PRIMARY KEY (description), 
	CONSTRAINT processing_version_alias_procver_id_fkey FOREIGN KEY(procver_id) REFERENCES processing_version (id) ON DELETE RESTRICT
);

CREATE INDEX processing_version_alias_procver_id ON processing_version_alias (procver_id);

COMMENT ON TABLE processing_version_alias IS 'Further names of versions of the processing';

COMMENT ON COLUMN processing_version_alias.description IS 'another name of a version, as default or realtime';

COMMENT ON COLUMN processing_version_alias.procver_id IS 'version that it means';

CREATE TABLE reduced_positions (
	diaobjectid BIGINT NOT NULL, 
	base_procver_id UUID NOT NULL, 
	ra DOUBLE PRECISION NOT NULL, 
	dec DOUBLE PRECISION NOT NULL, 
	raerr REAL, 
	decerr REAL, 
	ra_dec_cov REAL, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now(), 
	CONSTRAINT reduced_positions_pkey PRIMARY KEY (diaobjectid, base_procver_id), 
	CONSTRAINT reduced_positions_base_procver_id_fkey FOREIGN KEY(base_procver_id) REFERENCES base_processing_version (id) ON DELETE RESTRICT
);

COMMENT ON TABLE reduced_positions IS 'Positions of objects in reductions other than that of the alerts, which are in objects';

COMMENT ON COLUMN reduced_positions.diaobjectid IS 'identifier of the object';

COMMENT ON COLUMN reduced_positions.base_procver_id IS 'base version of the position';

COMMENT ON COLUMN reduced_positions.ra IS 'right ascension [deg, ICRS]';

COMMENT ON COLUMN reduced_positions.dec IS 'declination [deg, ICRS]';

COMMENT ON COLUMN reduced_positions.raerr IS 'uncertainty of ra times cos(dec) [deg]';

COMMENT ON COLUMN reduced_positions.decerr IS 'uncertainty of dec [deg]';

COMMENT ON COLUMN reduced_positions.ra_dec_cov IS 'covariance of ra·cos(dec) and dec [deg²]';

COMMENT ON COLUMN reduced_positions.created_at IS 'when it was stored [UTC]';

CREATE TABLE spectruminfo (
	specinfo_id UUID DEFAULT gen_random_uuid() NOT NULL, 
	root_diaobject_id UUID, 
	facility TEXT, 
	inserted_at TIMESTAMP WITH TIME ZONE DEFAULT now(), 
	mjd DOUBLE PRECISION, 
	z REAL, 
	classid INTEGER, 
	ra DOUBLE PRECISION NOT NULL, 
	dec DOUBLE PRECISION NOT NULL, 
	is_host BOOLEAN, 
	class_description TEXT, 
	CONSTRAINT spectruminfo_pkey PRIMARY KEY (specinfo_id), 
	CONSTRAINT spectruminfo_root_diaobject_id_fkey FOREIGN KEY(root_diaobject_id) REFERENCES root_diaobject (id) ON DELETE RESTRICT
);

CREATE INDEX spectruminfo_mjd ON spectruminfo (mjd);

CREATE INDEX spectruminfo_root_diaobject_id ON spectruminfo (root_diaobject_id);

COMMENT ON TABLE spectruminfo IS 'Reported spectra of root objects';

COMMENT ON COLUMN spectruminfo.specinfo_id IS 'identifier of the report';

COMMENT ON COLUMN spectruminfo.root_diaobject_id IS 'root object';

COMMENT ON COLUMN spectruminfo.facility IS 'facility that took the spectrum';

COMMENT ON COLUMN spectruminfo.inserted_at IS 'when it was reported [UTC]';

COMMENT ON COLUMN spectruminfo.mjd IS 'time of the spectrum [d, MJD TAI]';

COMMENT ON COLUMN spectruminfo.z IS 'redshift; null: not determined';

COMMENT ON COLUMN spectruminfo.classid IS 'class, see taxonomy_classes; null: not determined';

COMMENT ON COLUMN spectruminfo.ra IS 'right ascension of what the spectrum is of [deg, ICRS]';

COMMENT ON COLUMN spectruminfo.dec IS 'declination [deg, ICRS]';

COMMENT ON COLUMN spectruminfo.is_host IS 'whether it is of the host galaxy';

COMMENT ON COLUMN spectruminfo.class_description IS 'class in words';

CREATE TABLE wantedspectra (
	wantspec_id TEXT NOT NULL, 
	root_diaobject_id UUID NOT NULL, 
	wanttime TIMESTAMP WITH TIME ZONE DEFAULT now(), 
	user_id UUID NOT NULL, 
	requester TEXT, 
	priority SMALLINT, 
	is_host BOOLEAN, 
	ra DOUBLE PRECISION, 
	dec DOUBLE PRECISION, 
	CONSTRAINT wantedspectra_pkey PRIMARY KEY (wantspec_id), 
	CONSTRAINT wantedspectra_root_diaobject_id_fkey FOREIGN KEY(root_diaobject_id) REFERENCES root_diaobject (id) ON DELETE RESTRICT
);

CREATE INDEX wantedspectra_root_diaobject_id ON wantedspectra (root_diaobject_id);

CREATE INDEX wantedspectra_wanttime ON wantedspectra (wanttime);

COMMENT ON TABLE wantedspectra IS 'Spectra that are wanted of root objects';

COMMENT ON COLUMN wantedspectra.wantspec_id IS '''<root object> ; <requester>'', with '' ; host'' for a host';

COMMENT ON COLUMN wantedspectra.root_diaobject_id IS 'root object';

COMMENT ON COLUMN wantedspectra.wanttime IS 'when it was asked for [UTC]';

COMMENT ON COLUMN wantedspectra.user_id IS 'account that asked: useruuid of auth/isauth';

COMMENT ON COLUMN wantedspectra.requester IS 'who asks';

COMMENT ON COLUMN wantedspectra.priority IS 'priority, 0 to 5; 5 is the highest';

COMMENT ON COLUMN wantedspectra.is_host IS 'whether the spectrum is to be of the host galaxy';

COMMENT ON COLUMN wantedspectra.ra IS 'right ascension of what it is to be of [deg, ICRS]';

COMMENT ON COLUMN wantedspectra.dec IS 'declination [deg, ICRS]';

CREATE TABLE diaobject_host_match (
	diaobjectid BIGINT NOT NULL, 
	host_galaxy_id UUID NOT NULL, 
	base_procver_id UUID NOT NULL, 
	prio SMALLINT, 
	CONSTRAINT diaobject_host_match_pkey PRIMARY KEY (diaobjectid, host_galaxy_id, base_procver_id), 
	CONSTRAINT diaobject_host_match_host_galaxy_id_fkey FOREIGN KEY(host_galaxy_id) REFERENCES host_galaxy (id) ON DELETE RESTRICT, 
	CONSTRAINT diaobject_host_match_base_procver_id_fkey FOREIGN KEY(base_procver_id) REFERENCES base_processing_version (id) ON DELETE RESTRICT
);

CREATE INDEX diaobject_host_match_host_galaxy_id ON diaobject_host_match (host_galaxy_id);

COMMENT ON TABLE diaobject_host_match IS 'Which galaxies may be hosts of which objects';

COMMENT ON COLUMN diaobject_host_match.diaobjectid IS 'object';

COMMENT ON COLUMN diaobject_host_match.host_galaxy_id IS 'galaxy';

COMMENT ON COLUMN diaobject_host_match.base_procver_id IS 'base version';

COMMENT ON COLUMN diaobject_host_match.prio IS 'rank of the galaxy, the likeliest first';

CREATE OR REPLACE VIEW diaobject_position AS SELECT diaobject.diaobjectid, base_processing_version.id AS base_procver_id, objects.ra, objects.decl AS dec, objects.raerr, objects.decerr, objects.ra_dec_cov, objects.timestamp AS created_at 
FROM diaobject JOIN objects ON objects.diaobjectid = diaobject.diaobjectid JOIN base_processing_version ON base_processing_version._table = 'diaobject_position' AND base_processing_version.reduction = 0 UNION ALL SELECT reduced_positions.diaobjectid, reduced_positions.base_procver_id, reduced_positions.ra, reduced_positions.dec, reduced_positions.raerr, reduced_positions.decerr, reduced_positions.ra_dec_cov, reduced_positions.created_at 
FROM reduced_positions;

COMMENT ON VIEW diaobject_position IS 'Positions of objects: those of objects for the alerts, those of reduced_positions for other reductions';

CREATE OR REPLACE VIEW diasource AS SELECT diasources.diasourceid, base_processing_version.id AS base_procver_id, diasources.diaobjectid, diasources.visit, diasources.band, diasources.midpointmjdtai, diasources.psfflux, diasources.psffluxerr, diasources.ra, diasources.decl AS dec, diasources.raerr, diasources.decerr, diasources.ra_dec_cov 
FROM diasources JOIN base_processing_version ON base_processing_version._table = 'diasource' AND base_processing_version.reduction = diasources.reduction;

COMMENT ON VIEW diasource IS 'Detections of every base version: those of diasources';

CREATE OR REPLACE VIEW diasource_extra AS SELECT diasources.diasourceid, base_processing_version.id AS base_procver_id, diasources.detector, diasources.x, diasources.y, diasources.xerr, diasources.yerr, diasources.x_y_cov, diasources.psflnl, diasources.psfchi2, diasources.psfndata, diasources.snr, diasources.scienceflux, diasources.sciencefluxerr, diasources.templateflux, diasources.templatefluxerr, diasources.extendedness, diasources.reliability, diasources.ixx, diasources.iyy, diasources.ixy, diasources.ixxpsf, diasources.iyypsf, diasources.ixypsf, CAST(NULL AS integer) AS flags, CAST(NULL AS integer) AS pixelflags, diasources.apflux, diasources.apfluxerr, diasources.bboxsize, diasources.timeprocessedmjdtai, diasources.timewithdrawnmjdtai, diasources.parentdiasourceid 
FROM diasources JOIN base_processing_version ON base_processing_version._table = 'diasource' AND base_processing_version.reduction = diasources.reduction;

COMMENT ON VIEW diasource_extra IS 'Further measurements of detections: those of diasources, whose flags are columns of their own';

CREATE OR REPLACE VIEW diaforcedsource AS SELECT diaforcedsources.diaforcedsourceid, base_processing_version.id AS base_procver_id, diaforcedsources.diaobjectid, diaforcedsources.visit, diaforcedsources.band, diaforcedsources.midpointmjdtai, diaforcedsources.psfflux, diaforcedsources.psffluxerr, diaforcedsources.ra, diaforcedsources.decl AS dec 
FROM diaforcedsources JOIN base_processing_version ON base_processing_version._table = 'diaforcedsource' AND base_processing_version.reduction = diaforcedsources.reduction;

COMMENT ON VIEW diaforcedsource IS 'Forced photometry of every base version: that of diaforcedsources';

CREATE OR REPLACE VIEW diaforcedsource_extra AS SELECT diaforcedsources.diaforcedsourceid, base_processing_version.id AS base_procver_id, diaforcedsources.detector, diaforcedsources.scienceflux, diaforcedsources.sciencefluxerr, diaforcedsources.timeprocessedmjdtai, diaforcedsources.timewithdrawnmjdtai 
FROM diaforcedsources JOIN base_processing_version ON base_processing_version._table = 'diaforcedsource' AND base_processing_version.reduction = diaforcedsources.reduction;

COMMENT ON VIEW diaforcedsource_extra IS 'Further measurements of forced photometry: those of diaforcedsources';

CREATE OR REPLACE VIEW diasource_brokerinfo AS SELECT elasticc2_brokerclassifier.brokername, elasticc2_brokermessage.diasource_id AS diasourceid, base_processing_version.id AS base_procver_id, coalesce(elasticc2_brokermessage.document, jsonb_build_object('brokerName', elasticc2_brokerclassifier.brokername, 'classifierName', elasticc2_brokerclassifier.classifiername, 'classifierVersion', coalesce(elasticc2_brokerclassifier.classifierparams, elasticc2_brokerclassifier.brokerversion), 'classifications', (SELECT jsonb_agg(jsonb_build_object('classId', answer.classid, 'probability', answer.probability) ORDER BY answer.place) FROM unnest(elasticc2_brokermessage.classid, elasticc2_brokermessage.probability) WITH ORDINALITY AS answer (classid, probability, place)))) AS info, elasticc2_brokermessage.msghdrtimestamp AS msgtime, elasticc2_brokermessage.descingesttimestamp AS receivedtime, elasticc2_brokermessage.descingesttimestamp AS importtime, coalesce(elasticc2_brokermessage.topicname, '(none)') AS topic, (SELECT source.diaobjectid FROM diasources AS source WHERE source.diasourceid = elasticc2_brokermessage.diasource_id AND source.reduction = 0 LIMIT 1) AS diaobjectid, CAST(NULL AS bigint[]) AS prv_diasourceid, CAST(NULL AS bigint[]) AS prv_diaforcedsourceid 
FROM elasticc2_brokermessage JOIN elasticc2_brokerclassifier ON elasticc2_brokerclassifier.classifier_id = elasticc2_brokermessage.classifier_id JOIN base_processing_version ON base_processing_version._table = 'diasource' AND base_processing_version.reduction = 0;

COMMENT ON VIEW diasource_brokerinfo IS 'What brokers say of detections: messages of elasticc2_brokermessage, one row for each classifier';

INSERT INTO base_processing_version (id, description, notes, _table, reduction) SELECT md5('base realtime ' || kind)::uuid, 'realtime', 'the photometry of the alerts', kind, 0 FROM unnest(ARRAY['diaobject', 'diaobject_position', 'diasource', 'diaforcedsource', 'host_galaxy']) AS kind;

INSERT INTO processing_version (id, description, notes) VALUES (md5('version realtime')::uuid, 'realtime', 'what the alerts say');

INSERT INTO processing_version_alias (description, procver_id) VALUES ('default', md5('version realtime')::uuid);

INSERT INTO base_procver_of_procver (procver_id, base_procver_id, priority, _table) SELECT md5('version realtime')::uuid, id, 0, _table FROM base_processing_version WHERE reduction = 0;
