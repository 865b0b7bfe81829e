CREATE TABLE crossmatch_tns_history (
	id BIGINT NOT NULL, 
	revision_from BIGINT NOT NULL, 
	revision_to BIGINT, 
	objid BIGINT, 
	ra DOUBLE PRECISION NOT NULL, 
	decl DOUBLE PRECISION NOT NULL, 
	tns_name TEXT NOT NULL, 
	tns_prefix TEXT DEFAULT '' NOT NULL, 
	disc_mag REAL, 
	disc_mag_filter TEXT, 
	type TEXT, 
	z DOUBLE PRECISION, 
	hostz DOUBLE PRECISION, 
	host_name TEXT, 
	ext_catalogs TEXT, 
	disc_int_name TEXT, 
	disc_date TIMESTAMP WITH TIME ZONE, 
	lastmodified_date TIMESTAMP WITH TIME ZONE, 
	sender TEXT, 
	reporters TEXT, 
	source_group TEXT, 
	htm16 BIGINT NOT NULL, 
	lasairmodified_date TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	tns_file TEXT, 
	tns_file_sha256 TEXT, 
	CONSTRAINT crossmatch_tns_history_pkey PRIMARY KEY (id, revision_from)
);

CREATE UNIQUE INDEX crossmatch_tns_history_held ON crossmatch_tns_history (id) WHERE revision_to IS NULL;

CREATE INDEX crossmatch_tns_history_name ON crossmatch_tns_history (tns_name);

COMMENT ON TABLE crossmatch_tns_history IS 'Objects of the Transient Name Server as they were: from one change to the next';

COMMENT ON COLUMN crossmatch_tns_history.id IS 'row of crossmatch_tns';

COMMENT ON COLUMN crossmatch_tns_history.revision_from IS 'number of the change from which it held, see revision_counter';

COMMENT ON COLUMN crossmatch_tns_history.revision_to IS 'number of the change that ended it; null while it holds';

COMMENT ON COLUMN crossmatch_tns_history.objid IS 'identifier of the object at TNS; unchanged when it is renamed';

COMMENT ON COLUMN crossmatch_tns_history.ra IS 'right ascension [deg, ICRS]';

COMMENT ON COLUMN crossmatch_tns_history.decl IS 'declination [deg, ICRS]';

COMMENT ON COLUMN crossmatch_tns_history.tns_name IS 'name without prefix, e.g. 2025abc';

COMMENT ON COLUMN crossmatch_tns_history.tns_prefix IS 'AT, SN, TDE, FRB, …';

COMMENT ON COLUMN crossmatch_tns_history.disc_mag IS 'discovery magnitude [mag]';

COMMENT ON COLUMN crossmatch_tns_history.disc_mag_filter IS 'filter of the discovery magnitude';

COMMENT ON COLUMN crossmatch_tns_history.type IS 'spectroscopic type';

COMMENT ON COLUMN crossmatch_tns_history.z IS 'redshift';

COMMENT ON COLUMN crossmatch_tns_history.hostz IS 'redshift of the host';

COMMENT ON COLUMN crossmatch_tns_history.host_name IS 'name of the host';

COMMENT ON COLUMN crossmatch_tns_history.ext_catalogs IS 'catalogues that contain it';

COMMENT ON COLUMN crossmatch_tns_history.disc_int_name IS 'internal names';

COMMENT ON COLUMN crossmatch_tns_history.disc_date IS 'time of discovery [UTC]';

COMMENT ON COLUMN crossmatch_tns_history.lastmodified_date IS 'when TNS last changed it [UTC]';

COMMENT ON COLUMN crossmatch_tns_history.sender IS 'reporting group';

COMMENT ON COLUMN crossmatch_tns_history.reporters IS 'reporters';

COMMENT ON COLUMN crossmatch_tns_history.source_group IS 'discovery data source group';

COMMENT ON COLUMN crossmatch_tns_history.htm16 IS 'HTM trixel of level 16 of the position';

COMMENT ON COLUMN crossmatch_tns_history.lasairmodified_date IS 'when the row last changed here [UTC]';

COMMENT ON COLUMN crossmatch_tns_history.tns_file IS 'TNS bulk file that provided the row in its present form';

COMMENT ON COLUMN crossmatch_tns_history.tns_file_sha256 IS 'SHA-256 of that file, unpacked, hexadecimal';

-- What holds now is taken to have held always: nothing else is known of it.
INSERT INTO crossmatch_tns_history (id, objid, ra, decl, tns_name, tns_prefix, disc_mag, disc_mag_filter, type, z, hostz, host_name, ext_catalogs, disc_int_name, disc_date, lastmodified_date, sender, reporters, source_group, htm16, lasairmodified_date, tns_file, tns_file_sha256, revision_from) SELECT id, objid, ra, decl, tns_name, tns_prefix, disc_mag, disc_mag_filter, type, z, hostz, host_name, ext_catalogs, disc_int_name, disc_date, lastmodified_date, sender, reporters, source_group, htm16, lasairmodified_date, tns_file, tns_file_sha256, 0 FROM crossmatch_tns;

CREATE TABLE object_link_history (
	diaobjectid BIGINT NOT NULL, 
	linkedid BIGINT NOT NULL, 
	revision_from BIGINT NOT NULL, 
	arcsec DOUBLE PRECISION NOT NULL, 
	revision_to BIGINT, 
	night DATE NOT NULL, 
	survey SMALLINT NOT NULL, 
	linkedsurvey SMALLINT NOT NULL, 
	CONSTRAINT object_link_history_pkey PRIMARY KEY (diaobjectid, linkedid, revision_from)
);

CREATE UNIQUE INDEX object_link_history_held ON object_link_history (diaobjectid, linkedid) WHERE revision_to IS NULL;

CREATE INDEX object_link_history_linkedid ON object_link_history (linkedid);

CREATE INDEX object_link_history_night ON object_link_history (night);

COMMENT ON TABLE object_link_history IS 'Links between objects as they were: from one change to the next';

COMMENT ON COLUMN object_link_history.diaobjectid IS 'an object';

COMMENT ON COLUMN object_link_history.linkedid IS 'object of another survey near it';

COMMENT ON COLUMN object_link_history.revision_from IS 'number of the change from which it held, see revision_counter';

COMMENT ON COLUMN object_link_history.arcsec IS 'separation of their newest positions [arcsec]';

COMMENT ON COLUMN object_link_history.revision_to IS 'number of the change that ended it; null while it holds';

COMMENT ON COLUMN object_link_history.night IS 'night with an alert of either, whose objects were linked last';

COMMENT ON COLUMN object_link_history.survey IS 'survey of diaObjectId: 1 Rubin, 2 ZTF, 3 ELAsTiCC';

COMMENT ON COLUMN object_link_history.linkedsurvey IS 'survey of linkedId';

-- What holds now is taken to have held always: nothing else is known of it.
INSERT INTO object_link_history (diaobjectid, linkedid, arcsec, night, survey, linkedsurvey, revision_from) SELECT diaobjectid, linkedid, arcsec, night, survey, linkedsurvey, 0 FROM object_link;
