CREATE TABLE associations (
	diaobjectid BIGINT NOT NULL, 
	associationid BIGINT NOT NULL, 
	ra DOUBLE PRECISION NOT NULL, 
	decl DOUBLE PRECISION NOT NULL, 
	healpix BIGINT NOT NULL, 
	radeg DOUBLE PRECISION, 
	decdeg DOUBLE PRECISION, 
	separationarcsec REAL, 
	northseparationarcsec REAL, 
	eastseparationarcsec REAL, 
	physical_separation_kpc REAL, 
	direct_distance REAL, 
	best_distance REAL, 
	z REAL, 
	zerr REAL, 
	photoz REAL, 
	photozerr REAL, 
	mag REAL, 
	magerr REAL, 
	major_axis_arcsec REAL, 
	classificationreliability INTEGER, 
	classification TEXT NOT NULL, 
	association_type TEXT, 
	catalogue_table_name TEXT, 
	catalogue_object_id TEXT, 
	catalogue_object_type TEXT, 
	best_distance_flag TEXT, 
	best_distance_source TEXT, 
	magfilter TEXT, 
	annotator TEXT NOT NULL, 
	description TEXT NOT NULL, 
	CONSTRAINT associations_pkey PRIMARY KEY (diaobjectid, associationid)
);

CREATE INDEX associations_healpix ON associations (healpix);

COMMENT ON TABLE associations IS 'The best association of each position of an object with the sources of catalogues; equal ones are one row';

COMMENT ON COLUMN associations.diaobjectid IS 'object';

COMMENT ON COLUMN associations.associationid IS 'hash of the row, its object apart';

COMMENT ON COLUMN associations.ra IS 'right ascension that was searched: that of the object in the alert [deg, ICRS]';

COMMENT ON COLUMN associations.decl IS 'declination that was searched [deg, ICRS]';

COMMENT ON COLUMN associations.healpix IS 'HEALPix cell of order 29, nested scheme, of the position';

COMMENT ON COLUMN associations.radeg IS 'right ascension of the catalogue source [deg, ICRS]';

COMMENT ON COLUMN associations.decdeg IS 'declination of the catalogue source [deg, ICRS]';

COMMENT ON COLUMN associations.separationarcsec IS 'great-circle separation from the source [arcsec]';

COMMENT ON COLUMN associations.northseparationarcsec IS 'offset of the position from the source to the north [arcsec]';

COMMENT ON COLUMN associations.eastseparationarcsec IS 'offset of the position from the source to the east [arcsec]';

COMMENT ON COLUMN associations.physical_separation_kpc IS 'projected distance from the source [kpc]';

COMMENT ON COLUMN associations.direct_distance IS 'distance of the source that is not based on its redshift [Mpc]';

COMMENT ON COLUMN associations.best_distance IS 'direct distance, else that of the spectroscopic, else the photometric one [Mpc]';

COMMENT ON COLUMN associations.z IS 'spectroscopic redshift of the source';

COMMENT ON COLUMN associations.zerr IS 'error of z';

COMMENT ON COLUMN associations.photoz IS 'photometric redshift of the source';

COMMENT ON COLUMN associations.photozerr IS 'error of photoZ';

COMMENT ON COLUMN associations.mag IS 'magnitude of the source in MagFilter [mag]';

COMMENT ON COLUMN associations.magerr IS 'error of Mag [mag]';

COMMENT ON COLUMN associations.major_axis_arcsec IS 'major axis of the source [arcsec]';

COMMENT ON COLUMN associations.classificationreliability IS '1 synonym, 2 association, 3 annotation; null for an orphan';

COMMENT ON COLUMN associations.classification IS 'AGN, BS, CV, HPMS, NT, ORPHAN, SN, UNCLEAR or VS';

COMMENT ON COLUMN associations.association_type IS 'synonym, association or annotation; null for an orphan';

COMMENT ON COLUMN associations.catalogue_table_name IS 'catalogues that have the source, joined by /';

COMMENT ON COLUMN associations.catalogue_object_id IS 'identifier of the source in the catalogue that gives the class';

COMMENT ON COLUMN associations.catalogue_object_type IS 'star, galaxy, agn, qso, cv or unknown';

COMMENT ON COLUMN associations.best_distance_flag IS 'dd direct, sz spectroscopic redshift, pz photometric redshift';

COMMENT ON COLUMN associations.best_distance_source IS 'catalogue of best_distance';

COMMENT ON COLUMN associations.magfilter IS 'filter of Mag';

COMMENT ON COLUMN associations.annotator IS 'version of the code';

COMMENT ON COLUMN associations.description IS 'the association in a sentence';

CREATE TABLE context_matches (
	diaobjectid BIGINT NOT NULL, 
	diasourceid BIGINT NOT NULL, 
	night DATE NOT NULL, 
	ingestid BIGINT NOT NULL, 
	associationid BIGINT NOT NULL, 
	CONSTRAINT context_matches_pkey PRIMARY KEY (diaobjectid, diasourceid)
);

CREATE INDEX context_matches_association ON context_matches (diaobjectid, associationid);

CREATE INDEX context_matches_night ON context_matches (night);

COMMENT ON TABLE context_matches IS 'What the object of each alert was near to; alerts that came while no catalogue was loaded have none';

COMMENT ON COLUMN context_matches.diaobjectid IS 'object of the alert';

COMMENT ON COLUMN context_matches.diasourceid IS 'source that triggered the alert';

COMMENT ON COLUMN context_matches.night IS 'night of the alert';

COMMENT ON COLUMN context_matches.ingestid IS 'batch that computed the fact';

COMMENT ON COLUMN context_matches.associationid IS 'association of the alert''s object, see associations';

ALTER TABLE objects ADD COLUMN associationid BIGINT;

COMMENT ON COLUMN objects.associationid IS 'what the object is near to, see associations; null while no catalogue is loaded';

DROP VIEW objects_ext;

CREATE OR REPLACE VIEW objects_ext AS SELECT objects.diaobjectid, objects.ra, objects.decl, objects.htm16, objects.healpix, objects.radecmjdtai, objects.firstdiasourcemjdtai, objects.lastdiasourcemjdtai, objects.lastforcedmjdtai, objects.validitystartmjdtai, objects.timestamp, objects.u_latestmjd, objects.g_latestmjd, objects.r_latestmjd, objects.i_latestmjd, objects.z_latestmjd, objects.y_latestmjd, objects.absmagmjd, objects.bbbpeakmjd, objects.latestpairmjd, objects.penultimatepairmjd, objects.nearbyobj1, objects.nearbyobj2, objects.nearbyobj3, objects.ingestid, objects.broughtby, objects.associationid, objects.raerr, objects.decerr, objects.ra_dec_cov, objects.pmra, objects.pmraerr, objects.pmdec, objects.pmdecerr, objects.parallax, objects.parallaxerr, objects.pmra_pmdec_cov, objects.pmra_parallax_cov, objects.pmdec_parallax_cov, objects.pmparallaxlnl, objects.pmparallaxchi2, objects.pmparallaxndata, objects.u_psfflux, objects.u_psffluxmean, objects.u_psffluxmeanerr, objects.u_psffluxsigma, objects.u_psffluxchi2, objects.u_psffluxndata, objects.u_psffluxmin, objects.u_psffluxmax, objects.u_psffluxmaxslope, objects.u_psffluxerrmean, objects.u_fpfluxmean, objects.u_fpfluxmeanerr, objects.u_fpfluxsigma, objects.u_sciencefluxmean, objects.u_sciencefluxmeanerr, objects.nusources, objects.g_psfflux, objects.g_psffluxmean, objects.g_psffluxmeanerr, objects.g_psffluxsigma, objects.g_psffluxchi2, objects.g_psffluxndata, objects.g_psffluxmin, objects.g_psffluxmax, objects.g_psffluxmaxslope, objects.g_psffluxerrmean, objects.g_fpfluxmean, objects.g_fpfluxmeanerr, objects.g_fpfluxsigma, objects.g_sciencefluxmean, objects.g_sciencefluxmeanerr, objects.ngsources, objects.r_psfflux, objects.r_psffluxmean, objects.r_psffluxmeanerr, objects.r_psffluxsigma, objects.r_psffluxchi2, objects.r_psffluxndata, objects.r_psffluxmin, objects.r_psffluxmax, objects.r_psffluxmaxslope, objects.r_psffluxerrmean, objects.r_fpfluxmean, objects.r_fpfluxmeanerr, objects.r_fpfluxsigma, objects.r_sciencefluxmean, objects.r_sciencefluxmeanerr, objects.nrsources, objects.i_psfflux, objects.i_psffluxmean, objects.i_psffluxmeanerr, objects.i_psffluxsigma, objects.i_psffluxchi2, objects.i_psffluxndata, objects.i_psffluxmin, objects.i_psffluxmax, objects.i_psffluxmaxslope, objects.i_psffluxerrmean, objects.i_fpfluxmean, objects.i_fpfluxmeanerr, objects.i_fpfluxsigma, objects.i_sciencefluxmean, objects.i_sciencefluxmeanerr, objects.nisources, objects.z_psfflux, objects.z_psffluxmean, objects.z_psffluxmeanerr, objects.z_psffluxsigma, objects.z_psffluxchi2, objects.z_psffluxndata, objects.z_psffluxmin, objects.z_psffluxmax, objects.z_psffluxmaxslope, objects.z_psffluxerrmean, objects.z_fpfluxmean, objects.z_fpfluxmeanerr, objects.z_fpfluxsigma, objects.z_sciencefluxmean, objects.z_sciencefluxmeanerr, objects.nzsources, objects.y_psfflux, objects.y_psffluxmean, objects.y_psffluxmeanerr, objects.y_psffluxsigma, objects.y_psffluxchi2, objects.y_psffluxndata, objects.y_psffluxmin, objects.y_psffluxmax, objects.y_psffluxmaxslope, objects.y_psffluxerrmean, objects.y_fpfluxmean, objects.y_fpfluxmeanerr, objects.y_fpfluxsigma, objects.y_sciencefluxmean, objects.y_sciencefluxmeanerr, objects.nysources, objects.latest_psfflux, objects.medianr, objects.latestr, objects.ndiasources, objects.nposdiasources, objects.nposdiasourcesnights, objects.nsourcesgood, objects.absmag, objects.bbbriserate, objects.bbbfallrate, objects.bbbtemp, objects.bbbpeakflux, objects.bbbpeakabsmag, objects.glat, objects.ebv, objects.jump1, objects.jump2, objects.latestpaircolourmag, objects.latestpaircolourtemp, objects.penultimatepaircolourmag, objects.penultimatepaircolourtemp, objects.nearbyobj1dist, objects.nearbyobj1lnp, objects.nearbyobj2dist, objects.nearbyobj2lnp, objects.nearbyobj3dist, objects.nearbyobj3lnp, objects.night, objects.survey, objects.tns_name, objects.latestpaircolourbands, objects.penultimatepaircolourbands 
FROM objects;

COMMENT ON VIEW objects_ext IS 'The same rows as objects; Lasair''s users may write either name';

CREATE OR REPLACE VIEW sherlock_classifications AS SELECT objects.diaobjectid, associations.classification, associations.association_type, associations.catalogue_table_name, associations.catalogue_object_id, associations.catalogue_object_type, associations.radeg, associations.decdeg, associations.separationarcsec, associations.northseparationarcsec, associations.eastseparationarcsec, associations.physical_separation_kpc, associations.direct_distance, associations.best_distance AS distance, associations.best_distance, associations.best_distance_flag, associations.best_distance_source, associations.z, associations.zerr, associations.photoz, associations.photozerr, associations.mag, associations.magfilter, associations.magerr, associations.classificationreliability, associations.major_axis_arcsec, associations.annotator, '/api/objects/' || objects.diaobjectid || '/context' AS additional_output, associations.description, NULL::text AS summary 
FROM objects JOIN associations ON objects.diaobjectid = associations.diaobjectid AND objects.associationid = associations.associationid;

COMMENT ON VIEW sherlock_classifications IS 'What each object is near to, by its newest alert, under Lasair''s names; objects without a class are not in it';

