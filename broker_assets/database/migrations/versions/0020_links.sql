CREATE TABLE object_link (
	diaobjectid BIGINT NOT NULL, 
	linkedid BIGINT NOT NULL, 
	arcsec DOUBLE PRECISION NOT NULL, 
	night DATE NOT NULL, 
	survey SMALLINT NOT NULL, 
	linkedsurvey SMALLINT NOT NULL, 
	CONSTRAINT object_link_pkey PRIMARY KEY (diaobjectid, linkedid)
);

CREATE INDEX object_link_night ON object_link (night);

COMMENT ON TABLE object_link IS 'Pairs of objects of different surveys that are one source on the sky; each pair in both directions';

COMMENT ON COLUMN object_link.diaobjectid IS 'an object';

COMMENT ON COLUMN object_link.linkedid IS 'object of another survey near it';

COMMENT ON COLUMN object_link.arcsec IS 'separation of their newest positions [arcsec]';

COMMENT ON COLUMN object_link.night IS 'night with an alert of either, whose objects were linked last';

COMMENT ON COLUMN object_link.survey IS 'survey of diaObjectId: 1 Rubin, 2 ZTF, 3 ELAsTiCC';

COMMENT ON COLUMN object_link.linkedsurvey IS 'survey of linkedId';

