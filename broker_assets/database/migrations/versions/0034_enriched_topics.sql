CREATE TABLE enriched_topics (
	topic TEXT NOT NULL, 
	archivefileid BIGINT NOT NULL, 
	packets BIGINT DEFAULT '0' NOT NULL, 
	next_offset BIGINT DEFAULT '0' NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT enriched_topics_pkey PRIMARY KEY (topic)
);

COMMENT ON TABLE enriched_topics IS 'How far the topic of all enriched alerts has come';

COMMENT ON COLUMN enriched_topics.topic IS 'Kafka topic';

COMMENT ON COLUMN enriched_topics.archivefileid IS 'newest file of the packet archive whose alerts are in it';

COMMENT ON COLUMN enriched_topics.packets IS 'packets of the next file that are in it';

COMMENT ON COLUMN enriched_topics.next_offset IS 'offset after the last message known to be in it';

COMMENT ON COLUMN enriched_topics.updated_at IS 'when that was written [UTC]';

