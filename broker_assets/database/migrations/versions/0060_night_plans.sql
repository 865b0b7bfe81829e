CREATE TABLE spectrum_night_plans (
	night DATE NOT NULL, 
	observatory TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	sha256 TEXT NOT NULL, 
	made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	run_id TEXT, 
	plan JSONB NOT NULL, 
	CONSTRAINT spectrum_night_plans_pkey PRIMARY KEY (night, observatory, version)
);

COMMENT ON TABLE spectrum_night_plans IS 'Wanted spectra as they were planned for a night at an observatory; another plan is another version';

COMMENT ON COLUMN spectrum_night_plans.night IS 'night; in Australia the one that follows';

COMMENT ON COLUMN spectrum_night_plans.observatory IS 'observatory';

COMMENT ON COLUMN spectrum_night_plans.version IS 'number of the plan, from 1';

COMMENT ON COLUMN spectrum_night_plans.sha256 IS 'SHA-256 of the plan';

COMMENT ON COLUMN spectrum_night_plans.made_at IS 'when it was made [UTC]';

COMMENT ON COLUMN spectrum_night_plans.run_id IS 'Dagster run that made it';

COMMENT ON COLUMN spectrum_night_plans.plan IS 'dark hours, slots, and what is left out and why';

