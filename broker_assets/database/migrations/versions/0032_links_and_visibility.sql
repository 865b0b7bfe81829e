CREATE TABLE IF NOT EXISTS access.identities (
	issuer TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	userid BIGINT NOT NULL, 
	date_created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT identities_pkey PRIMARY KEY (issuer, subject)
);

CREATE INDEX IF NOT EXISTS identities_userid ON access.identities (userid);

COMMENT ON TABLE access.identities IS 'Persons of OpenID Connect providers, and their accounts';

COMMENT ON COLUMN access.identities.issuer IS 'address of the OpenID Connect provider';

COMMENT ON COLUMN access.identities.subject IS 'its identifier of the person';

COMMENT ON COLUMN access.identities.userid IS 'account';

COMMENT ON COLUMN access.identities.date_created IS 'first log-in [UTC]';

CREATE TABLE IF NOT EXISTS access.mailed_links (
	sha256 TEXT NOT NULL, 
	userid BIGINT, 
	purpose TEXT NOT NULL, 
	address TEXT NOT NULL, 
	date_created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	date_expires TIMESTAMP WITH TIME ZONE NOT NULL, 
	date_used TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT mailed_links_pkey PRIMARY KEY (sha256)
);

CREATE INDEX IF NOT EXISTS mailed_links_address ON access.mailed_links (address, date_created);

CREATE INDEX IF NOT EXISTS mailed_links_userid ON access.mailed_links (userid);

COMMENT ON TABLE access.mailed_links IS 'Links that were sent by e-mail: to set a password, to activate an account';

COMMENT ON COLUMN access.mailed_links.sha256 IS 'SHA-256 of the secret in the link, which is stored nowhere';

COMMENT ON COLUMN access.mailed_links.userid IS 'account that it is for; null: nobody has the address that was given, and nothing was sent';

COMMENT ON COLUMN access.mailed_links.purpose IS 'password or activation';

COMMENT ON COLUMN access.mailed_links.address IS 'network address that asked for it';

COMMENT ON COLUMN access.mailed_links.date_created IS 'when it was asked for [UTC]';

COMMENT ON COLUMN access.mailed_links.date_expires IS 'when it ends [UTC]';

COMMENT ON COLUMN access.mailed_links.date_used IS 'when it was used, which it can be once [UTC]';

CREATE TABLE IF NOT EXISTS access.shares (
	kind TEXT NOT NULL, 
	identifier TEXT NOT NULL, 
	groupid BIGINT NOT NULL, 
	CONSTRAINT shares_pkey PRIMARY KEY (kind, identifier, groupid)
);

COMMENT ON TABLE access.shares IS 'What owners share with groups';

COMMENT ON COLUMN access.shares.kind IS 'filter, watchlist, area or annotator';

COMMENT ON COLUMN access.shares.identifier IS 'its number, or the topic of an annotator';

COMMENT ON COLUMN access.shares.groupid IS 'group whose members may see it';

CREATE FUNCTION shared_with(kind text, viewer text) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
AS $body$
SELECT share.identifier FROM access.shares AS share JOIN access.memberships AS membership USING (groupid)
JOIN access.users AS account USING (userid)
WHERE share.kind = $1 AND account.username = $2 AND account.active AND account.date_removed IS NULL
$body$;

REVOKE ALL ON FUNCTION shared_with(text, text) FROM PUBLIC;

CREATE FUNCTION shared_with_me(kind text) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
AS $body$
SELECT shared_with($1, current_setting('broker.user', true))
$body$;

ALTER TABLE watchlists ENABLE ROW LEVEL SECURITY;

CREATE POLICY visible ON watchlists USING (current_user <> 'broker_users' OR public OR owner IN ('system', current_setting('broker.user', true)) OR wl_id::text IN (SELECT shared_with_me('watchlist')));

ALTER TABLE areas ENABLE ROW LEVEL SECURITY;

CREATE POLICY visible ON areas USING (current_user <> 'broker_users' OR public OR owner IN ('system', current_setting('broker.user', true)) OR ar_id::text IN (SELECT shared_with_me('area')));

ALTER TABLE filters ENABLE ROW LEVEL SECURITY;

CREATE POLICY visible ON filters USING (current_user <> 'broker_users' OR public OR owner IN ('system', current_setting('broker.user', true)) OR filterid::text IN (SELECT shared_with_me('filter')));

ALTER TABLE annotators ENABLE ROW LEVEL SECURITY;

CREATE POLICY visible ON annotators USING (current_user <> 'broker_users' OR public OR owner IN ('system', current_setting('broker.user', true)) OR topic IN (SELECT shared_with_me('annotator')));

ALTER TABLE watchlist_hits ENABLE ROW LEVEL SECURITY;

CREATE POLICY visible ON watchlist_hits USING (current_user <> 'broker_users' OR wl_id IN (SELECT list.wl_id FROM watchlists AS list));

ALTER TABLE area_hits ENABLE ROW LEVEL SECURITY;

CREATE POLICY visible ON area_hits USING (current_user <> 'broker_users' OR ar_id IN (SELECT list.ar_id FROM areas AS list));

ALTER TABLE annotations ENABLE ROW LEVEL SECURITY;

CREATE POLICY visible ON annotations USING (current_user <> 'broker_users' OR topic IN (SELECT annotator.topic FROM annotators AS annotator));

CREATE FUNCTION end_sharing() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $body$
BEGIN
    IF TG_TABLE_SCHEMA = 'public' THEN
        DELETE FROM access.shares WHERE kind = TG_ARGV[0] AND identifier = to_jsonb(OLD) ->> TG_ARGV[1];
    END IF;
    RETURN NULL;
END
$body$;

CREATE TRIGGER end_sharing AFTER DELETE OR UPDATE OF owner ON filters FOR EACH ROW EXECUTE FUNCTION end_sharing('filter', 'filterid');

CREATE TRIGGER end_sharing AFTER DELETE OR UPDATE OF owner ON watchlists FOR EACH ROW EXECUTE FUNCTION end_sharing('watchlist', 'wl_id');

CREATE TRIGGER end_sharing AFTER DELETE OR UPDATE OF owner ON areas FOR EACH ROW EXECUTE FUNCTION end_sharing('area', 'ar_id');

CREATE TRIGGER end_sharing AFTER DELETE OR UPDATE OF owner ON annotators FOR EACH ROW EXECUTE FUNCTION end_sharing('annotator', 'topic');
