CREATE TABLE subscription_message (
	stream TEXT NOT NULL, 
	messageid TEXT NOT NULL, 
	"offset" BIGINT NOT NULL, 
	ingestid BIGINT NOT NULL, 
	received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT subscription_message_pkey PRIMARY KEY (stream, messageid), 
	CONSTRAINT subscription_message_offset UNIQUE (stream, "offset")
);

COMMENT ON TABLE subscription_message IS 'Messages of subscriptions, which are sent again until they are acknowledged; removed after 40 days';

COMMENT ON COLUMN subscription_message.stream IS 'name of the stream';

COMMENT ON COLUMN subscription_message.messageid IS 'identifier that Google Pub/Sub gave the message';

COMMENT ON COLUMN subscription_message."offset" IS 'its place among the messages of the stream';

COMMENT ON COLUMN subscription_message.ingestid IS 'batch that read it';

COMMENT ON COLUMN subscription_message.received_at IS 'when it was read [UTC]';

