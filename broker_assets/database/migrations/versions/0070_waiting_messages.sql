CREATE TABLE classifier_waiting (
	alert_id BIGINT NOT NULL, 
	brokermessage_id BIGINT NOT NULL, 
	CONSTRAINT classifier_waiting_pkey PRIMARY KEY (alert_id, brokermessage_id)
);

COMMENT ON TABLE classifier_waiting IS 'Messages that were counted before their alerts were marked as sent';

COMMENT ON COLUMN classifier_waiting.alert_id IS 'alert, which was not sent when the message was counted';

COMMENT ON COLUMN classifier_waiting.brokermessage_id IS 'message';

COMMENT ON COLUMN classifier_tally.inputs IS 'hash of the code, the taxonomy, the truth and the number of alerts at the time';
