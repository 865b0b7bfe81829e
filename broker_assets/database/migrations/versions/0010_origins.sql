ALTER TABLE objects ADD COLUMN broughtby BIGINT;

COMMENT ON COLUMN objects.broughtby IS 'source whose packet brought the row as it is';

ALTER TABLE ssobjects ADD COLUMN broughtby BIGINT;

COMMENT ON COLUMN ssobjects.broughtby IS 'source whose packet brought the row as it is';

ALTER TABLE mpc_orbits ADD COLUMN broughtby BIGINT;

COMMENT ON COLUMN mpc_orbits.broughtby IS 'source whose packet brought the row as it is';

ALTER TABLE mma_areas ADD COLUMN ingestid BIGINT;

COMMENT ON COLUMN mma_areas.ingestid IS 'batch that received the notice';

ALTER TABLE mma_retractions ADD COLUMN ingestid BIGINT;

COMMENT ON COLUMN mma_retractions.ingestid IS 'batch that received the notice';

ALTER TABLE crossmatch_tns ADD COLUMN tns_file TEXT;

ALTER TABLE crossmatch_tns ADD COLUMN tns_file_sha256 TEXT;

COMMENT ON COLUMN crossmatch_tns.tns_file IS 'bulk file of TNS that brought the row as it is';

COMMENT ON COLUMN crossmatch_tns.tns_file_sha256 IS 'SHA-256 of that file, unpacked, hexadecimal';

UPDATE objects SET broughtby = (SELECT diasourceid FROM diasources AS source
	WHERE source.diaobjectid = objects.diaobjectid AND source.midpointmjdtai = objects.lastdiasourcemjdtai
	AND source.archivefileid IS NOT NULL ORDER BY source.diasourceid LIMIT 1);

UPDATE ssobjects SET broughtby = (SELECT source.diasourceid FROM sssources JOIN diasources AS source USING (diasourceid)
	WHERE sssources.ssobjectid = ssobjects.ssobjectid AND source.midpointmjdtai = ssobjects.lastdiasourcemjdtai
	AND source.archivefileid IS NOT NULL ORDER BY source.diasourceid LIMIT 1);

UPDATE mpc_orbits SET broughtby = (SELECT source.diasourceid FROM diasources AS source
	WHERE source.midpointmjdtai = mpc_orbits.lastdiasourcemjdtai AND source.ssobjectid = mpc_orbits.ssobjectid
	AND source.archivefileid IS NOT NULL ORDER BY source.diasourceid LIMIT 1);

UPDATE crossmatch_tns AS tns SET (tns_file, tns_file_sha256) = (SELECT name, sha256 FROM tns_file
	WHERE applied_at >= tns.lasairmodified_date ORDER BY applied_at LIMIT 1);

UPDATE mma_areas AS notice SET ingestid = (SELECT ingestid FROM ingest_batch AS batch
	WHERE finished_at >= notice.received_at AND stored = 1 AND received = 1
	AND NOT EXISTS (SELECT FROM archive_file WHERE archive_file.topic = batch.topic)
	ORDER BY finished_at LIMIT 1);

UPDATE mma_retractions AS notice SET ingestid = (SELECT ingestid FROM ingest_batch AS batch
	WHERE finished_at >= notice.received_at AND stored = 1 AND received = 1
	AND NOT EXISTS (SELECT FROM archive_file WHERE archive_file.topic = batch.topic)
	ORDER BY finished_at LIMIT 1);

CREATE INDEX quarantine_resolved ON quarantine (resolved_ingestid) WHERE resolved_ingestid IS NOT NULL;

DROP VIEW objects_ext;

CREATE OR REPLACE VIEW objects_ext AS SELECT objects.diaobjectid, objects.ra, objects.decl, objects.htm16, objects.healpix, objects.radecmjdtai, objects.firstdiasourcemjdtai, objects.lastdiasourcemjdtai, objects.lastforcedmjdtai, objects.validitystartmjdtai, objects.timestamp, objects.u_latestmjd, objects.g_latestmjd, objects.r_latestmjd, objects.i_latestmjd, objects.z_latestmjd, objects.y_latestmjd, objects.absmagmjd, objects.bbbpeakmjd, objects.latestpairmjd, objects.penultimatepairmjd, objects.nearbyobj1, objects.nearbyobj2, objects.nearbyobj3, objects.ingestid, objects.broughtby, objects.raerr, objects.decerr, objects.ra_dec_cov, objects.pmra, objects.pmraerr, objects.pmdec, objects.pmdecerr, objects.parallax, objects.parallaxerr, objects.pmra_pmdec_cov, objects.pmra_parallax_cov, objects.pmdec_parallax_cov, objects.pmparallaxlnl, objects.pmparallaxchi2, objects.pmparallaxndata, objects.u_psfflux, objects.u_psffluxmean, objects.u_psffluxmeanerr, objects.u_psffluxsigma, objects.u_psffluxchi2, objects.u_psffluxndata, objects.u_psffluxmin, objects.u_psffluxmax, objects.u_psffluxmaxslope, objects.u_psffluxerrmean, objects.u_fpfluxmean, objects.u_fpfluxmeanerr, objects.u_fpfluxsigma, objects.u_sciencefluxmean, objects.u_sciencefluxmeanerr, objects.nusources, objects.g_psfflux, objects.g_psffluxmean, objects.g_psffluxmeanerr, objects.g_psffluxsigma, objects.g_psffluxchi2, objects.g_psffluxndata, objects.g_psffluxmin, objects.g_psffluxmax, objects.g_psffluxmaxslope, objects.g_psffluxerrmean, objects.g_fpfluxmean, objects.g_fpfluxmeanerr, objects.g_fpfluxsigma, objects.g_sciencefluxmean, objects.g_sciencefluxmeanerr, objects.ngsources, objects.r_psfflux, objects.r_psffluxmean, objects.r_psffluxmeanerr, objects.r_psffluxsigma, objects.r_psffluxchi2, objects.r_psffluxndata, objects.r_psffluxmin, objects.r_psffluxmax, objects.r_psffluxmaxslope, objects.r_psffluxerrmean, objects.r_fpfluxmean, objects.r_fpfluxmeanerr, objects.r_fpfluxsigma, objects.r_sciencefluxmean, objects.r_sciencefluxmeanerr, objects.nrsources, objects.i_psfflux, objects.i_psffluxmean, objects.i_psffluxmeanerr, objects.i_psffluxsigma, objects.i_psffluxchi2, objects.i_psffluxndata, objects.i_psffluxmin, objects.i_psffluxmax, objects.i_psffluxmaxslope, objects.i_psffluxerrmean, objects.i_fpfluxmean, objects.i_fpfluxmeanerr, objects.i_fpfluxsigma, objects.i_sciencefluxmean, objects.i_sciencefluxmeanerr, objects.nisources, objects.z_psfflux, objects.z_psffluxmean, objects.z_psffluxmeanerr, objects.z_psffluxsigma, objects.z_psffluxchi2, objects.z_psffluxndata, objects.z_psffluxmin, objects.z_psffluxmax, objects.z_psffluxmaxslope, objects.z_psffluxerrmean, objects.z_fpfluxmean, objects.z_fpfluxmeanerr, objects.z_fpfluxsigma, objects.z_sciencefluxmean, objects.z_sciencefluxmeanerr, objects.nzsources, objects.y_psfflux, objects.y_psffluxmean, objects.y_psffluxmeanerr, objects.y_psffluxsigma, objects.y_psffluxchi2, objects.y_psffluxndata, objects.y_psffluxmin, objects.y_psffluxmax, objects.y_psffluxmaxslope, objects.y_psffluxerrmean, objects.y_fpfluxmean, objects.y_fpfluxmeanerr, objects.y_fpfluxsigma, objects.y_sciencefluxmean, objects.y_sciencefluxmeanerr, objects.nysources, objects.latest_psfflux, objects.medianr, objects.latestr, objects.ndiasources, objects.nposdiasources, objects.nposdiasourcesnights, objects.nsourcesgood, objects.absmag, objects.bbbriserate, objects.bbbfallrate, objects.bbbtemp, objects.bbbpeakflux, objects.bbbpeakabsmag, objects.glat, objects.ebv, objects.jump1, objects.jump2, objects.latestpaircolourmag, objects.latestpaircolourtemp, objects.penultimatepaircolourmag, objects.penultimatepaircolourtemp, objects.nearbyobj1dist, objects.nearbyobj1lnp, objects.nearbyobj2dist, objects.nearbyobj2lnp, objects.nearbyobj3dist, objects.nearbyobj3lnp, objects.night, objects.survey, objects.tns_name, objects.latestpaircolourbands, objects.penultimatepaircolourbands 
FROM objects;

COMMENT ON VIEW objects_ext IS 'The same rows as objects; Lasair''s users may write either name';

