CREATE TABLE revision_counter (
	one_row BOOLEAN DEFAULT true NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT revision_counter_pkey PRIMARY KEY (one_row), 
	CONSTRAINT revision_counter_one_row CHECK (one_row)
);

COMMENT ON TABLE revision_counter IS 'Numbers the changes of everything that alerts are compared with, in the order of their commits';

COMMENT ON COLUMN revision_counter.one_row IS 'always true: the table has one row';

COMMENT ON COLUMN revision_counter.value IS 'number of the newest change of lists, filters, annotations or catalogues';

INSERT INTO revision_counter (value) SELECT CASE WHEN EXISTS (SELECT FROM watchlists) OR EXISTS (SELECT FROM areas) OR EXISTS (SELECT FROM mma_areas) THEN 1 ELSE 0 END;

DROP TABLE watchlist_cone_gone;

CREATE TABLE area_facts (
	diaobjectid BIGINT NOT NULL, 
	diasourceid BIGINT NOT NULL, 
	night DATE NOT NULL, 
	ingestid BIGINT NOT NULL, 
	ar_ids BIGINT[] NOT NULL, 
	CONSTRAINT area_facts_pkey PRIMARY KEY (diaobjectid, diasourceid)
);

CREATE INDEX area_facts_night ON area_facts (night);

COMMENT ON TABLE area_facts IS 'Alerts inside areas when they came, one row per alert';

COMMENT ON COLUMN area_facts.diaobjectid IS 'object of the alert';

COMMENT ON COLUMN area_facts.diasourceid IS 'source that triggered the alert';

COMMENT ON COLUMN area_facts.night IS 'night of the alert';

COMMENT ON COLUMN area_facts.ingestid IS 'batch that computed the fact';

COMMENT ON COLUMN area_facts.ar_ids IS 'areas that held the alert, ascending';

CREATE TABLE area_periods (
	ar_id BIGINT NOT NULL, 
	revision_from BIGINT NOT NULL, 
	revision_to BIGINT, 
	moc BYTEA NOT NULL, 
	moc_version TEXT NOT NULL, 
	CONSTRAINT area_periods_pkey PRIMARY KEY (ar_id, revision_from)
);

CREATE UNIQUE INDEX area_periods_open ON area_periods (ar_id) WHERE revision_to IS NULL;

CREATE INDEX area_periods_revision_from ON area_periods (revision_from);

CREATE INDEX area_periods_revision_to ON area_periods (revision_to);

COMMENT ON TABLE area_periods IS 'When each area was matched, and with which MOC';

COMMENT ON COLUMN area_periods.ar_id IS 'area';

COMMENT ON COLUMN area_periods.revision_from IS 'number of the change that began it, see revision_counter';

COMMENT ON COLUMN area_periods.revision_to IS 'number of the change that ended it; null while it holds';

COMMENT ON COLUMN area_periods.moc IS 'MOC as FITS, in this period';

COMMENT ON COLUMN area_periods.moc_version IS 'hash of its cells';

CREATE TABLE ingest_batch_facts (
	ingestid BIGINT NOT NULL, 
	night DATE NOT NULL, 
	asset TEXT NOT NULL, 
	enrichment TEXT NOT NULL, 
	version TEXT NOT NULL, 
	rows BIGINT NOT NULL, 
	checksum NUMERIC(20, 0) NOT NULL, 
	replaced_by BIGINT, 
	CONSTRAINT ingest_batch_facts_pkey PRIMARY KEY (ingestid, night, asset)
);

CREATE INDEX ingest_batch_facts_night ON ingest_batch_facts (night, asset);

COMMENT ON TABLE ingest_batch_facts IS 'Facts that each batch computed for each night';

COMMENT ON COLUMN ingest_batch_facts.ingestid IS 'batch, see ingest_batch; 0 for rows carried over from an older schema';

COMMENT ON COLUMN ingest_batch_facts.night IS 'night of the alerts';

COMMENT ON COLUMN ingest_batch_facts.asset IS 'asset that the facts belong to';

COMMENT ON COLUMN ingest_batch_facts.enrichment IS 'enrichment that computed them';

COMMENT ON COLUMN ingest_batch_facts.version IS 'version of its code';

COMMENT ON COLUMN ingest_batch_facts.rows IS 'rows written';

COMMENT ON COLUMN ingest_batch_facts.checksum IS 'sum of the hashes of these rows, modulo 2^64';

COMMENT ON COLUMN ingest_batch_facts.replaced_by IS 'batch whose reprocessing replaced these rows; null while they hold';

CREATE TABLE sky_map_facts (
	diaobjectid BIGINT NOT NULL, 
	diasourceid BIGINT NOT NULL, 
	night DATE NOT NULL, 
	ingestid BIGINT NOT NULL, 
	mw_id BIGINT NOT NULL, 
	contour DOUBLE PRECISION NOT NULL, 
	distance DOUBLE PRECISION, 
	probdens2 DOUBLE PRECISION NOT NULL, 
	probdens3 DOUBLE PRECISION, 
	distmu DOUBLE PRECISION, 
	distsigma DOUBLE PRECISION, 
	CONSTRAINT sky_map_facts_pkey PRIMARY KEY (diaobjectid, diasourceid, mw_id)
);

CREATE INDEX sky_map_facts_mw_id ON sky_map_facts (mw_id, night);

CREATE INDEX sky_map_facts_night ON sky_map_facts (night);

COMMENT ON TABLE sky_map_facts IS 'Alerts inside the 90 per cent region of a sky map when they came';

COMMENT ON COLUMN sky_map_facts.diaobjectid IS 'object of the alert';

COMMENT ON COLUMN sky_map_facts.diasourceid IS 'source that triggered the alert';

COMMENT ON COLUMN sky_map_facts.night IS 'night of the alert';

COMMENT ON COLUMN sky_map_facts.ingestid IS 'batch that computed the fact';

COMMENT ON COLUMN sky_map_facts.mw_id IS 'sky map';

COMMENT ON COLUMN sky_map_facts.contour IS 'smallest credible level that contained the alert [per cent]';

COMMENT ON COLUMN sky_map_facts.distance IS 'distance of the object [Mpc]';

COMMENT ON COLUMN sky_map_facts.probdens2 IS 'probability density on the sky [sr-1]';

COMMENT ON COLUMN sky_map_facts.probdens3 IS 'probdens2 times exp(-deviation²/2) of the distance [sr-1]';

COMMENT ON COLUMN sky_map_facts.distmu IS 'location parameter of the event''s distance along the line of sight [Mpc]';

COMMENT ON COLUMN sky_map_facts.distsigma IS 'scale parameter of the event''s distance along the line of sight [Mpc]';

CREATE TABLE watchlist_cone_gone (
	cone_id BIGINT NOT NULL, 
	wl_id BIGINT NOT NULL, 
	name TEXT, 
	ra DOUBLE PRECISION NOT NULL, 
	decl DOUBLE PRECISION NOT NULL, 
	radius DOUBLE PRECISION, 
	revision_from BIGINT NOT NULL, 
	revision_to BIGINT NOT NULL, 
	CONSTRAINT watchlist_cone_gone_pkey PRIMARY KEY (cone_id)
);

CREATE INDEX watchlist_cone_gone_revision_to ON watchlist_cone_gone (revision_to);

CREATE INDEX watchlist_cone_gone_wl_id ON watchlist_cone_gone (wl_id, revision_to);

COMMENT ON TABLE watchlist_cone_gone IS 'Cones that were deleted, so that past nights can be matched with the lists of their time';

COMMENT ON COLUMN watchlist_cone_gone.cone_id IS 'cone that was deleted';

COMMENT ON COLUMN watchlist_cone_gone.wl_id IS 'its watchlist';

COMMENT ON COLUMN watchlist_cone_gone.name IS 'name of the cone';

COMMENT ON COLUMN watchlist_cone_gone.ra IS 'right ascension [deg, ICRS]';

COMMENT ON COLUMN watchlist_cone_gone.decl IS 'declination [deg, ICRS]';

COMMENT ON COLUMN watchlist_cone_gone.radius IS 'radius; null took that of the watchlist [arcsec]';

COMMENT ON COLUMN watchlist_cone_gone.revision_from IS 'number of the change that brought it, see revision_counter';

COMMENT ON COLUMN watchlist_cone_gone.revision_to IS 'number of the change that deleted it';

CREATE TABLE watchlist_facts (
	diaobjectid BIGINT NOT NULL, 
	diasourceid BIGINT NOT NULL, 
	night DATE NOT NULL, 
	ingestid BIGINT NOT NULL, 
	cone_id BIGINT NOT NULL, 
	arcsec DOUBLE PRECISION NOT NULL, 
	CONSTRAINT watchlist_facts_pkey PRIMARY KEY (diaobjectid, diasourceid, cone_id)
);

CREATE INDEX watchlist_facts_cone_id ON watchlist_facts (cone_id, night);

CREATE INDEX watchlist_facts_night ON watchlist_facts (night);

COMMENT ON TABLE watchlist_facts IS 'Alerts inside a cone of a watchlist when they came';

COMMENT ON COLUMN watchlist_facts.diaobjectid IS 'object of the alert';

COMMENT ON COLUMN watchlist_facts.diasourceid IS 'source that triggered the alert';

COMMENT ON COLUMN watchlist_facts.night IS 'night of the alert';

COMMENT ON COLUMN watchlist_facts.ingestid IS 'batch that computed the fact';

COMMENT ON COLUMN watchlist_facts.cone_id IS 'cone, see watchlist_cones and watchlist_cone_gone';

COMMENT ON COLUMN watchlist_facts.arcsec IS 'great-circle separation of the alert''s object from the centre of the cone [arcsec]';

CREATE TABLE watchlist_periods (
	wl_id BIGINT NOT NULL, 
	revision_from BIGINT NOT NULL, 
	revision_to BIGINT, 
	radius DOUBLE PRECISION NOT NULL, 
	CONSTRAINT watchlist_periods_pkey PRIMARY KEY (wl_id, revision_from)
);

CREATE UNIQUE INDEX watchlist_periods_open ON watchlist_periods (wl_id) WHERE revision_to IS NULL;

CREATE INDEX watchlist_periods_revision_from ON watchlist_periods (revision_from);

CREATE INDEX watchlist_periods_revision_to ON watchlist_periods (revision_to);

COMMENT ON TABLE watchlist_periods IS 'When each watchlist was matched, and with which default radius';

COMMENT ON COLUMN watchlist_periods.wl_id IS 'watchlist';

COMMENT ON COLUMN watchlist_periods.revision_from IS 'number of the change that began it, see revision_counter';

COMMENT ON COLUMN watchlist_periods.revision_to IS 'number of the change that ended it; null while it holds';

COMMENT ON COLUMN watchlist_periods.radius IS 'radius of cones that have none, in this period [arcsec]';

ALTER TABLE watchlist_cones ADD COLUMN revision_from BIGINT DEFAULT 0 NOT NULL;

UPDATE watchlist_cones SET revision_from = 1;

CREATE INDEX watchlist_cones_revision_from ON watchlist_cones (revision_from);

COMMENT ON COLUMN watchlist_cones.revision_from IS 'number of the change that brought it, see revision_counter';

COMMENT ON TABLE watchlist_cones IS 'Cones of watchlists, as they are now';

ALTER TABLE watchlists ALTER COLUMN revision SET DEFAULT 0;

COMMENT ON COLUMN watchlists.revision IS 'number of its last change, see revision_counter';

ALTER TABLE areas ALTER COLUMN revision SET DEFAULT 0;

COMMENT ON COLUMN areas.revision IS 'number of its last change, see revision_counter';

ALTER TABLE watchlists DROP COLUMN whole_revision;

DELETE FROM rematch USING watchlists AS list WHERE kind = 'watchlist' AND list_id = list.wl_id AND rematch.revision <> list.revision;

DELETE FROM rematch USING areas AS list WHERE kind = 'area' AND list_id = list.ar_id AND rematch.revision <> list.revision;

UPDATE rematch SET revision = 1;

UPDATE watchlists SET revision = 1;

UPDATE areas SET revision = 1;

ALTER TABLE rematch DROP COLUMN largest_cone;

COMMENT ON COLUMN rematch.revision IS 'number of the change up to which its hits are right, see revision_counter';

COMMENT ON TABLE rematch IS 'Up to which change the hits of each list are right';

INSERT INTO watchlist_periods (wl_id, revision_from, radius) SELECT wl_id, 1, radius FROM watchlists WHERE active AND (date_expire IS NULL OR date_expire > now());

INSERT INTO area_periods (ar_id, revision_from, moc, moc_version) SELECT ar_id, 1, moc, moc_version FROM areas WHERE active AND (date_expire IS NULL OR date_expire > now());

ALTER TABLE mma_areas ADD COLUMN revision_from BIGINT, ADD COLUMN revision_to BIGINT;

UPDATE mma_areas SET revision_from = 1 WHERE active AND active_until > now();

COMMENT ON COLUMN mma_areas.revision_from IS 'number of the change that put it in force; null if none did, see revision_counter';

COMMENT ON COLUMN mma_areas.revision_to IS 'number of the change that ended it; null while it holds';

ALTER TABLE ingest_batch ADD COLUMN enrich_seconds DOUBLE PRECISION, ADD COLUMN revision BIGINT;

UPDATE ingest_batch SET revision = 1 WHERE kind <> 'reprocess';

COMMENT ON COLUMN ingest_batch.enrich_seconds IS 'time spent computing enrichments [s]';

COMMENT ON COLUMN ingest_batch.revision IS 'number of the newest change that its enrichments used, see revision_counter';

COMMENT ON TABLE watchlist_hits IS 'Objects whose newest position lies inside a cone of a watchlist that is matched now';

COMMENT ON TABLE area_hits IS 'Objects whose newest position lies inside an area that is matched now';

COMMENT ON TABLE mma_area_hits IS 'Objects whose newest position lies inside the 90 per cent region of a sky map that is matched now';

INSERT INTO watchlist_facts (diaobjectid, diasourceid, night, ingestid, cone_id, arcsec) SELECT hit.diaobjectid, alert.diasourceid, hit.night, hit.ingestid, hit.cone_id, hit.arcsec FROM watchlist_hits AS hit JOIN LATERAL (SELECT diasourceid FROM diasources WHERE diasources.diaobjectid = hit.diaobjectid AND diasources.night = hit.night AND archivefileid IS NOT NULL ORDER BY midpointmjdtai DESC, diasourceid DESC LIMIT 1) AS alert ON true WHERE hit.night IS NOT NULL AND hit.ingestid IS NOT NULL;

INSERT INTO area_facts (diaobjectid, diasourceid, night, ingestid, ar_ids) SELECT hit.diaobjectid, alert.diasourceid, hit.night, max(hit.ingestid), array_agg(hit.ar_id ORDER BY hit.ar_id) FROM area_hits AS hit JOIN LATERAL (SELECT diasourceid FROM diasources WHERE diasources.diaobjectid = hit.diaobjectid AND diasources.night = hit.night AND archivefileid IS NOT NULL ORDER BY midpointmjdtai DESC, diasourceid DESC LIMIT 1) AS alert ON true WHERE hit.night IS NOT NULL AND hit.ingestid IS NOT NULL GROUP BY hit.diaobjectid, alert.diasourceid, hit.night;

INSERT INTO sky_map_facts (diaobjectid, diasourceid, night, ingestid, mw_id, contour, distance, probdens2, probdens3, distmu, distsigma) SELECT hit.diaobjectid, alert.diasourceid, hit.night, hit.ingestid, hit.mw_id, hit.contour, hit.distance, hit.probdens2, hit.probdens3, hit.distmu, hit.distsigma FROM mma_area_hits AS hit JOIN LATERAL (SELECT diasourceid FROM diasources WHERE diasources.diaobjectid = hit.diaobjectid AND diasources.night = hit.night AND archivefileid IS NOT NULL ORDER BY midpointmjdtai DESC, diasourceid DESC LIMIT 1) AS alert ON true WHERE hit.night IS NOT NULL AND hit.ingestid IS NOT NULL;

INSERT INTO ingest_batch_facts (ingestid, night, asset, enrichment, version, rows, checksum) SELECT 0, night, 'watchlist_facts', 'sky', '1', count(*), 0 FROM watchlist_facts GROUP BY night;

INSERT INTO ingest_batch_facts (ingestid, night, asset, enrichment, version, rows, checksum) SELECT 0, night, 'area_facts', 'sky', '1', count(*), 0 FROM area_facts GROUP BY night;

INSERT INTO ingest_batch_facts (ingestid, night, asset, enrichment, version, rows, checksum) SELECT 0, night, 'sky_map_facts', 'sky', '1', count(*), 0 FROM sky_map_facts GROUP BY night;

DELETE FROM watchlist_hits WHERE NOT EXISTS (SELECT FROM watchlist_periods AS period WHERE period.wl_id = watchlist_hits.wl_id);

DELETE FROM area_hits WHERE NOT EXISTS (SELECT FROM area_periods AS period WHERE period.ar_id = area_hits.ar_id);

DELETE FROM mma_area_hits WHERE NOT EXISTS (SELECT FROM mma_areas AS map WHERE map.mw_id = mma_area_hits.mw_id AND map.revision_from IS NOT NULL);

DELETE FROM rematch WHERE (kind = 'watchlist' AND NOT EXISTS (SELECT FROM watchlist_periods WHERE wl_id = list_id)) OR (kind = 'area' AND NOT EXISTS (SELECT FROM area_periods WHERE ar_id = list_id)) OR (kind = 'sky_map' AND NOT EXISTS (SELECT FROM mma_areas WHERE mw_id = list_id AND revision_from IS NOT NULL));

DELETE FROM artefact WHERE asset IN ('watchlist_hits', 'area_hits', 'sky_map_hits', 'rematched_lists', 'cone_index', 'area_index', 'watchlist_row', 'area_row');

COMMENT ON COLUMN stream_gap.next_offset IS 'first message after those missing; smaller where a topic was recreated';

COMMENT ON COLUMN notification.body IS 'message to operators, in Markdown';

COMMENT ON COLUMN notification.sent_at IS 'when operators were last notified; null while that is still to be done [UTC]';

COMMENT ON COLUMN telemetry_file.modified IS 'time of modification that its folder reports; null where it reports none [UTC]';
