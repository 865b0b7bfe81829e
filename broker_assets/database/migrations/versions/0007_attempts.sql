CREATE TABLE stream_attempt (
	topic TEXT NOT NULL, 
	partition INTEGER NOT NULL, 
	"offset" BIGINT NOT NULL, 
	next_offset BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	run_id TEXT, 
	started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT stream_attempt_pkey PRIMARY KEY (topic, partition, "offset", next_offset)
);

COMMENT ON TABLE stream_attempt IS 'Messages whose processing has begun and is not committed; what is left by a run that died shows where';

COMMENT ON COLUMN stream_attempt.topic IS 'Kafka topic';

COMMENT ON COLUMN stream_attempt.partition IS 'Kafka partition';

COMMENT ON COLUMN stream_attempt."offset" IS 'first message of the attempt';

COMMENT ON COLUMN stream_attempt.next_offset IS 'offset after its last message';

COMMENT ON COLUMN stream_attempt.attempts IS 'runs that began and did not end in order';

COMMENT ON COLUMN stream_attempt.run_id IS 'run that began last; null if it ended in order';

COMMENT ON COLUMN stream_attempt.started_at IS 'when the last one began [UTC]';

