CREATE TABLE class_scores (
	diaobjectid BIGINT NOT NULL, 
	diasourceid BIGINT NOT NULL, 
	classifier TEXT NOT NULL, 
	class TEXT NOT NULL, 
	ingestid BIGINT NOT NULL, 
	night DATE NOT NULL, 
	score REAL NOT NULL, 
	version TEXT NOT NULL, 
	CONSTRAINT class_scores_pkey PRIMARY KEY (diaobjectid, diasourceid, classifier, class)
);

CREATE INDEX class_scores_night ON class_scores (night);

COMMENT ON TABLE class_scores IS 'Scores of the classes of each active classifier for each alert, when it came; kept for some months';

COMMENT ON COLUMN class_scores.diaobjectid IS 'object of the alert';

COMMENT ON COLUMN class_scores.diasourceid IS 'source that triggered the alert';

COMMENT ON COLUMN class_scores.classifier IS 'name of the classifier';

COMMENT ON COLUMN class_scores.class IS 'class, in the taxonomy of the classifier (classifier_classes)';

COMMENT ON COLUMN class_scores.ingestid IS 'batch that computed the fact';

COMMENT ON COLUMN class_scores.night IS 'night of the alert';

COMMENT ON COLUMN class_scores.score IS 'score of the class, 0 to 1';

COMMENT ON COLUMN class_scores.version IS 'version of the classifier';

CREATE TABLE classifier_classes (
	classifier TEXT NOT NULL, 
	version TEXT NOT NULL, 
	class TEXT NOT NULL, 
	meaning TEXT NOT NULL, 
	output INTEGER NOT NULL, 
	sumtoone BOOLEAN NOT NULL, 
	sha256 TEXT NOT NULL, 
	CONSTRAINT classifier_classes_pkey PRIMARY KEY (classifier, version, class)
);

COMMENT ON TABLE classifier_classes IS 'Classes of every version of a classifier that has scored an alert, and what they mean';

COMMENT ON COLUMN classifier_classes.classifier IS 'name of the classifier';

COMMENT ON COLUMN classifier_classes.version IS 'version of the classifier';

COMMENT ON COLUMN classifier_classes.class IS 'class';

COMMENT ON COLUMN classifier_classes.meaning IS 'what the class is, or what its score measures';

COMMENT ON COLUMN classifier_classes.output IS 'number of the output of the model that has the score, from 0';

COMMENT ON COLUMN classifier_classes.sumtoone IS 'whether the scores of this output add up to 1';

COMMENT ON COLUMN classifier_classes.sha256 IS 'SHA-256 of model and description';

CREATE TABLE classifier_failures (
	ingestid BIGINT NOT NULL, 
	night DATE NOT NULL, 
	classifier TEXT NOT NULL, 
	version TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	alerts INTEGER NOT NULL, 
	CONSTRAINT classifier_failures_pkey PRIMARY KEY (ingestid, night, classifier, version, reason)
);

COMMENT ON TABLE classifier_failures IS 'Alerts that a classifier could not score, counted by batch and reason; they are stored without its scores';

COMMENT ON COLUMN classifier_failures.ingestid IS 'batch';

COMMENT ON COLUMN classifier_failures.night IS 'night of the alerts';

COMMENT ON COLUMN classifier_failures.classifier IS 'name of the classifier';

COMMENT ON COLUMN classifier_failures.version IS 'version of the classifier';

COMMENT ON COLUMN classifier_failures.reason IS 'why it gave no scores';

COMMENT ON COLUMN classifier_failures.alerts IS 'alerts without its scores';

CREATE TABLE object_classes (
	diaobjectid BIGINT NOT NULL, 
	classifier TEXT NOT NULL, 
	class TEXT NOT NULL, 
	diasourceid BIGINT NOT NULL, 
	ingestid BIGINT NOT NULL, 
	score REAL NOT NULL, 
	night DATE NOT NULL, 
	version TEXT NOT NULL, 
	CONSTRAINT object_classes_pkey PRIMARY KEY (diaobjectid, classifier, class)
);

CREATE INDEX object_classes_score ON object_classes (classifier, class, score);

COMMENT ON TABLE object_classes IS 'Scores of each object: of each classifier those of the newest alert that it scored';

COMMENT ON COLUMN object_classes.diaobjectid IS 'object';

COMMENT ON COLUMN object_classes.classifier IS 'name of the classifier';

COMMENT ON COLUMN object_classes.class IS 'class, in the taxonomy of the classifier (classifier_classes)';

COMMENT ON COLUMN object_classes.diasourceid IS 'source of the newest alert that the classifier scored';

COMMENT ON COLUMN object_classes.ingestid IS 'batch that computed the score';

COMMENT ON COLUMN object_classes.score IS 'score of the class, 0 to 1';

COMMENT ON COLUMN object_classes.night IS 'night of that alert';

COMMENT ON COLUMN object_classes.version IS 'version of the classifier';
