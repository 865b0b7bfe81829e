CREATE TABLE IF NOT EXISTS access.sessions (
	sha256 TEXT NOT NULL, 
	userid BIGINT NOT NULL, 
	csrf TEXT NOT NULL, 
	date_created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	last_used TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT sessions_pkey PRIMARY KEY (sha256)
);

CREATE INDEX IF NOT EXISTS sessions_userid ON access.sessions (userid);

COMMENT ON TABLE access.sessions IS 'Log-ins of browsers and of programs that log in as browsers do';

COMMENT ON COLUMN access.sessions.sha256 IS 'SHA-256 of the cookie, which is stored nowhere';

COMMENT ON COLUMN access.sessions.userid IS 'account';

COMMENT ON COLUMN access.sessions.csrf IS 'value that requests of the session which change something must repeat';

COMMENT ON COLUMN access.sessions.date_created IS 'log-in [UTC]';

COMMENT ON COLUMN access.sessions.last_used IS 'last request, to the minute [UTC]';

