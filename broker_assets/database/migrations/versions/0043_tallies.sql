CREATE TABLE classifier_scores (
	classifier_id BIGINT NOT NULL, 
	classid INTEGER NOT NULL, 
	is_right BOOLEAN NOT NULL, 
	bin SMALLINT NOT NULL, 
	messages BIGINT NOT NULL, 
	CONSTRAINT classifier_scores_pkey PRIMARY KEY (classifier_id, classid, is_right, bin)
);

COMMENT ON TABLE classifier_scores IS 'Probabilities that classifiers gave to classes, against the truth';

COMMENT ON COLUMN classifier_scores.classifier_id IS 'classifier';

COMMENT ON COLUMN classifier_scores.classid IS 'class';

COMMENT ON COLUMN classifier_scores.is_right IS 'whether the class is right for the object, at least partly';

COMMENT ON COLUMN classifier_scores.bin IS 'bin of its probability, see tom.metrics.curves; -1: the number is none from 0 to 1';

COMMENT ON COLUMN classifier_scores.messages IS 'how many messages';

CREATE TABLE classifier_messages (
	classifier_id BIGINT NOT NULL, 
	gentype INTEGER NOT NULL, 
	messages BIGINT NOT NULL, 
	CONSTRAINT classifier_messages_pkey PRIMARY KEY (classifier_id, gentype)
);

COMMENT ON TABLE classifier_messages IS 'Messages of classifiers, by the truth';

COMMENT ON COLUMN classifier_messages.classifier_id IS 'classifier';

COMMENT ON COLUMN classifier_messages.gentype IS 'true model of the object; -1: it has no truth';

COMMENT ON COLUMN classifier_messages.messages IS 'how many messages';

CREATE TABLE classifier_delays (
	classifier_id BIGINT NOT NULL, 
	delay TEXT NOT NULL, 
	bin SMALLINT NOT NULL, 
	messages BIGINT NOT NULL, 
	CONSTRAINT classifier_delays_pkey PRIMARY KEY (classifier_id, delay, bin)
);

COMMENT ON TABLE classifier_delays IS 'How long classifiers took';

COMMENT ON COLUMN classifier_delays.classifier_id IS 'classifier';

COMMENT ON COLUMN classifier_delays.delay IS 'full: from sending to storing; broker: to the message; tom: from the message';

COMMENT ON COLUMN classifier_delays.bin IS 'whole part of four times the decimal logarithm of the seconds; -1: less than one second';

COMMENT ON COLUMN classifier_delays.messages IS 'how many messages';

CREATE TABLE classifier_answers (
	classifier_id BIGINT NOT NULL, 
	sent_on DATE NOT NULL, 
	detections INTEGER NOT NULL, 
	alerts BIGINT NOT NULL, 
	CONSTRAINT classifier_answers_pkey PRIMARY KEY (classifier_id, sent_on, detections)
);

COMMENT ON TABLE classifier_answers IS 'Alerts that classifiers have answered';

COMMENT ON COLUMN classifier_answers.classifier_id IS 'classifier';

COMMENT ON COLUMN classifier_answers.sent_on IS 'day on which the alert was sent, UTC';

COMMENT ON COLUMN classifier_answers.detections IS 'detections of the object up to that of the alert';

COMMENT ON COLUMN classifier_answers.alerts IS 'alerts that the classifier has answered at least once';

CREATE TABLE classifier_tally (
	taxonomy TEXT NOT NULL, 
	newest BIGINT NOT NULL, 
	inputs TEXT NOT NULL, 
	counted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT classifier_tally_pkey PRIMARY KEY (taxonomy)
);

COMMENT ON TABLE classifier_tally IS 'What the counts of classifiers hold';

COMMENT ON COLUMN classifier_tally.taxonomy IS 'taxonomy with which they were counted';

COMMENT ON COLUMN classifier_tally.newest IS 'every message up to this number is counted';

COMMENT ON COLUMN classifier_tally.inputs IS 'hash of the code, the taxonomy and the truth with which they were counted';

COMMENT ON COLUMN classifier_tally.counted_at IS 'when [UTC]';
