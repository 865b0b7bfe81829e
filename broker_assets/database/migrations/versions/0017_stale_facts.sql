CREATE TABLE context_compared (
	name TEXT NOT NULL, 
	version TEXT NOT NULL, 
	content TEXT, 
	compared_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT context_compared_pkey PRIMARY KEY (name)
);

COMMENT ON TABLE context_compared IS 'Up to which version of each catalogue and of the rules stale facts are marked';

COMMENT ON COLUMN context_compared.name IS 'catalogue, or (rules)';

COMMENT ON COLUMN context_compared.version IS 'version up to which facts were compared';

COMMENT ON COLUMN context_compared.content IS 'of rules what they say, as JSON';

COMMENT ON COLUMN context_compared.compared_at IS 'when that was [UTC]';

CREATE TABLE stale_facts (
	diaobjectid BIGINT NOT NULL, 
	diasourceid BIGINT NOT NULL, 
	night DATE NOT NULL, 
	asset TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	marked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT stale_facts_pkey PRIMARY KEY (diaobjectid, diasourceid, night, asset)
);

CREATE INDEX stale_facts_night ON stale_facts (night, asset);

COMMENT ON TABLE stale_facts IS 'Facts of single alerts that must be computed again, though the rest of their night need not';

COMMENT ON COLUMN stale_facts.diaobjectid IS 'object of the alert; 0 for all alerts of the night';

COMMENT ON COLUMN stale_facts.diasourceid IS 'source that triggered the alert; 0 likewise';

COMMENT ON COLUMN stale_facts.night IS 'night of the alert';

COMMENT ON COLUMN stale_facts.asset IS 'asset of the facts';

COMMENT ON COLUMN stale_facts.reason IS 'what has changed since they were computed';

COMMENT ON COLUMN stale_facts.marked_at IS 'when that was found [UTC]';

