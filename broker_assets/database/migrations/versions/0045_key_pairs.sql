CREATE TABLE IF NOT EXISTS access.key_pairs (
	userid BIGINT NOT NULL, 
	passwordsha256 TEXT NOT NULL, 
	publickey TEXT NOT NULL, 
	privatekey TEXT NOT NULL, 
	salt TEXT NOT NULL, 
	iv TEXT NOT NULL, 
	date_created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT key_pairs_pkey PRIMARY KEY (userid)
);

COMMENT ON TABLE access.key_pairs IS 'Pairs of keys of accounts, for the log-in by a challenge';

COMMENT ON COLUMN access.key_pairs.userid IS 'account';

COMMENT ON COLUMN access.key_pairs.passwordsha256 IS 'SHA-256 of the hash of the password with which the pair is used';

COMMENT ON COLUMN access.key_pairs.publickey IS 'public RSA key, PEM';

COMMENT ON COLUMN access.key_pairs.privatekey IS 'private RSA key, encrypted with the password (AES-GCM), base64';

COMMENT ON COLUMN access.key_pairs.salt IS 'salt of the key that is derived from the password (PBKDF2), base64';

COMMENT ON COLUMN access.key_pairs.iv IS 'initialisation vector of the encryption, base64';

COMMENT ON COLUMN access.key_pairs.date_created IS 'when the pair was made [UTC]';

CREATE TABLE IF NOT EXISTS access.login_challenges (
	sha256 TEXT NOT NULL, 
	username TEXT NOT NULL, 
	userid BIGINT, 
	response TEXT NOT NULL, 
	address TEXT NOT NULL, 
	date_expires TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT login_challenges_pkey PRIMARY KEY (sha256)
);

CREATE INDEX IF NOT EXISTS login_challenges_address ON access.login_challenges (address);

CREATE INDEX IF NOT EXISTS login_challenges_date_expires ON access.login_challenges (date_expires);

CREATE INDEX IF NOT EXISTS login_challenges_username ON access.login_challenges (username);

COMMENT ON TABLE access.login_challenges IS 'Challenges that were given and not answered yet';

COMMENT ON COLUMN access.login_challenges.sha256 IS 'SHA-256 of the cookie of who asked, which is stored nowhere';

COMMENT ON COLUMN access.login_challenges.username IS 'account that was named, in lower case';

COMMENT ON COLUMN access.login_challenges.userid IS 'that account; null: there is none that could log in so';

COMMENT ON COLUMN access.login_challenges.response IS 'SHA-256 of the right answer';

COMMENT ON COLUMN access.login_challenges.address IS 'network address that asked';

COMMENT ON COLUMN access.login_challenges.date_expires IS 'when it ends, and counts as a wrong guess [UTC]';

