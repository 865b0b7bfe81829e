CREATE TABLE contradictions (
	diaobjectid BIGINT NOT NULL, 
	source TEXT NOT NULL, 
	othersource TEXT NOT NULL, 
	said TEXT NOT NULL, 
	othersaid TEXT NOT NULL, 
	classid INTEGER NOT NULL, 
	otherclassid INTEGER NOT NULL, 
	probability REAL, 
	otherprobability REAL, 
	CONSTRAINT contradictions_pkey PRIMARY KEY (diaobjectid, source, othersource)
);

CREATE INDEX contradictions_source ON contradictions (source);

COMMENT ON TABLE contradictions IS 'Objects of which two sources say what cannot both be right';

COMMENT ON COLUMN contradictions.diaobjectid IS 'object';

COMMENT ON COLUMN contradictions.source IS 'who says it: broker, tns, context, annotator or classifier, with a name';

COMMENT ON COLUMN contradictions.othersource IS 'who says otherwise';

COMMENT ON COLUMN contradictions.said IS 'class that the source gives, in its own words';

COMMENT ON COLUMN contradictions.othersaid IS 'class that the other source gives, in its own words';

COMMENT ON COLUMN contradictions.classid IS 'what the first means, a class of the taxonomy';

COMMENT ON COLUMN contradictions.otherclassid IS 'what the second means';

COMMENT ON COLUMN contradictions.probability IS 'probability that the source gives, if it does';

COMMENT ON COLUMN contradictions.otherprobability IS 'probability that the other source gives, if it does';

CREATE TABLE contradictions_history (
	diaobjectid BIGINT NOT NULL, 
	source TEXT NOT NULL, 
	othersource TEXT NOT NULL, 
	said TEXT NOT NULL, 
	othersaid TEXT NOT NULL, 
	classid INTEGER NOT NULL, 
	otherclassid INTEGER NOT NULL, 
	probability REAL, 
	otherprobability REAL, 
	revision_from BIGINT NOT NULL, 
	revision_to BIGINT, 
	CONSTRAINT contradictions_history_pkey PRIMARY KEY (diaobjectid, source, othersource, revision_from)
);

CREATE UNIQUE INDEX contradictions_history_held ON contradictions_history (diaobjectid, source, othersource) WHERE revision_to IS NULL;

COMMENT ON TABLE contradictions_history IS 'Contradictions as they were: from one change to the next';

COMMENT ON COLUMN contradictions_history.diaobjectid IS 'object';

COMMENT ON COLUMN contradictions_history.source IS 'who says it: broker, tns, context, annotator or classifier, with a name';

COMMENT ON COLUMN contradictions_history.othersource IS 'who says otherwise';

COMMENT ON COLUMN contradictions_history.said IS 'class that the source gives, in its own words';

COMMENT ON COLUMN contradictions_history.othersaid IS 'class that the other source gives, in its own words';

COMMENT ON COLUMN contradictions_history.classid IS 'what the first means, a class of the taxonomy';

COMMENT ON COLUMN contradictions_history.otherclassid IS 'what the second means';

COMMENT ON COLUMN contradictions_history.probability IS 'probability that the source gives, if it does';

COMMENT ON COLUMN contradictions_history.otherprobability IS 'probability that the other source gives, if it does';

COMMENT ON COLUMN contradictions_history.revision_from IS 'number of the change from which it held, see revision_counter';

COMMENT ON COLUMN contradictions_history.revision_to IS 'number of the change that ended it; null while it holds';
