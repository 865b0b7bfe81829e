CREATE TABLE object_features (
	diaobjectid BIGINT NOT NULL, 
	diasourceid BIGINT NOT NULL, 
	ingestid BIGINT NOT NULL, 
	firstdiasourcemjdtai DOUBLE PRECISION, 
	lastdiasourcemjdtai DOUBLE PRECISION, 
	u_latestmjd DOUBLE PRECISION, 
	g_latestmjd DOUBLE PRECISION, 
	r_latestmjd DOUBLE PRECISION, 
	i_latestmjd DOUBLE PRECISION, 
	z_latestmjd DOUBLE PRECISION, 
	y_latestmjd DOUBLE PRECISION, 
	absmagmjd DOUBLE PRECISION, 
	bbbpeakmjd DOUBLE PRECISION, 
	latestpairmjd DOUBLE PRECISION, 
	penultimatepairmjd DOUBLE PRECISION, 
	night DATE NOT NULL, 
	latest_psfflux REAL, 
	u_psfflux REAL, 
	g_psfflux REAL, 
	r_psfflux REAL, 
	i_psfflux REAL, 
	z_psfflux REAL, 
	y_psfflux REAL, 
	medianr REAL, 
	latestr REAL, 
	nposdiasources INTEGER, 
	nposdiasourcesnights INTEGER, 
	nsourcesgood INTEGER, 
	nusources INTEGER, 
	ngsources INTEGER, 
	nrsources INTEGER, 
	nisources INTEGER, 
	nzsources INTEGER, 
	nysources INTEGER, 
	absmag REAL, 
	bbbriserate REAL, 
	bbbfallrate REAL, 
	bbbtemp REAL, 
	bbbpeakflux REAL, 
	bbbpeakabsmag REAL, 
	glat REAL, 
	ebv REAL, 
	jump1 REAL, 
	jump2 REAL, 
	latestpaircolourmag REAL, 
	latestpaircolourtemp REAL, 
	penultimatepaircolourmag REAL, 
	penultimatepaircolourtemp REAL, 
	latestpaircolourbands TEXT, 
	penultimatepaircolourbands TEXT, 
	CONSTRAINT object_features_pkey PRIMARY KEY (diaobjectid, diasourceid)
);

CREATE INDEX object_features_night ON object_features (night);

COMMENT ON TABLE object_features IS 'Features of the light curve in each alert, as it was when it came; kept for some months';

COMMENT ON COLUMN object_features.diaobjectid IS 'object of the alert';

COMMENT ON COLUMN object_features.diasourceid IS 'source that triggered the alert';

COMMENT ON COLUMN object_features.ingestid IS 'batch that computed the fact';

COMMENT ON COLUMN object_features.firstdiasourcemjdtai IS 'time of the first source [d, MJD TAI]';

COMMENT ON COLUMN object_features.lastdiasourcemjdtai IS 'time of the newest source; an older alert does not change the row [d, MJD TAI]';

COMMENT ON COLUMN object_features.u_latestmjd IS 'time of the newest u source [d, MJD TAI]';

COMMENT ON COLUMN object_features.g_latestmjd IS 'time of the newest g source [d, MJD TAI]';

COMMENT ON COLUMN object_features.r_latestmjd IS 'time of the newest r source [d, MJD TAI]';

COMMENT ON COLUMN object_features.i_latestmjd IS 'time of the newest i source [d, MJD TAI]';

COMMENT ON COLUMN object_features.z_latestmjd IS 'time of the newest z source [d, MJD TAI]';

COMMENT ON COLUMN object_features.y_latestmjd IS 'time of the newest y source [d, MJD TAI]';

COMMENT ON COLUMN object_features.absmagmjd IS 'time of absMag [d, MJD TAI]';

COMMENT ON COLUMN object_features.bbbpeakmjd IS 'time of the peak of the black-body fit [d, MJD TAI]';

COMMENT ON COLUMN object_features.latestpairmjd IS 'time of the latest pair of sources in two bands within 40 minutes [d, MJD TAI]';

COMMENT ON COLUMN object_features.penultimatepairmjd IS 'time of the penultimate pair of sources in two bands within 40 minutes [d, MJD TAI]';

COMMENT ON COLUMN object_features.night IS 'night of the alert';

COMMENT ON COLUMN object_features.latest_psfflux IS 'flux of the newest source, any band [nJy]';

COMMENT ON COLUMN object_features.u_psfflux IS 'flux of the newest u source [nJy]';

COMMENT ON COLUMN object_features.g_psfflux IS 'flux of the newest g source [nJy]';

COMMENT ON COLUMN object_features.r_psfflux IS 'flux of the newest r source [nJy]';

COMMENT ON COLUMN object_features.i_psfflux IS 'flux of the newest i source [nJy]';

COMMENT ON COLUMN object_features.z_psfflux IS 'flux of the newest z source [nJy]';

COMMENT ON COLUMN object_features.y_psfflux IS 'flux of the newest y source [nJy]';

COMMENT ON COLUMN object_features.medianr IS 'median of the reliability of the sources';

COMMENT ON COLUMN object_features.latestr IS 'reliability of the newest source';

COMMENT ON COLUMN object_features.nposdiasources IS 'number of sources with positive flux';

COMMENT ON COLUMN object_features.nposdiasourcesnights IS 'number of nights with a source of positive flux';

COMMENT ON COLUMN object_features.nsourcesgood IS 'number of sources with reliability above 0.5';

COMMENT ON COLUMN object_features.nusources IS 'number of u sources';

COMMENT ON COLUMN object_features.ngsources IS 'number of g sources';

COMMENT ON COLUMN object_features.nrsources IS 'number of r sources';

COMMENT ON COLUMN object_features.nisources IS 'number of i sources';

COMMENT ON COLUMN object_features.nzsources IS 'number of z sources';

COMMENT ON COLUMN object_features.nysources IS 'number of y sources';

COMMENT ON COLUMN object_features.absmag IS 'brightest absolute magnitude, extinction corrected [mag, AB]';

COMMENT ON COLUMN object_features.bbbriserate IS 'rise rate of the black-body fit [1/d]';

COMMENT ON COLUMN object_features.bbbfallrate IS 'fall rate of the black-body fit; null for an exponential [1/d]';

COMMENT ON COLUMN object_features.bbbtemp IS 'temperature of the black-body fit [kK]';

COMMENT ON COLUMN object_features.bbbpeakflux IS 'peak flux of the black-body fit [nJy]';

COMMENT ON COLUMN object_features.bbbpeakabsmag IS 'absolute magnitude at the peak of the black-body fit [mag, AB]';

COMMENT ON COLUMN object_features.glat IS 'galactic latitude [deg]';

COMMENT ON COLUMN object_features.ebv IS 'reddening E(B−V) of Schlegel, Finkbeiner and Davis [mag]';

COMMENT ON COLUMN object_features.jump1 IS 'largest deviation of the last 10 days from the 60 days before, any band [σ]';

COMMENT ON COLUMN object_features.jump2 IS 'second largest such deviation, another band [σ]';

COMMENT ON COLUMN object_features.latestpaircolourmag IS 'colour of the latest pair, extinction corrected [mag, AB]';

COMMENT ON COLUMN object_features.latestpaircolourtemp IS 'black-body temperature of the latest pair [kK]';

COMMENT ON COLUMN object_features.penultimatepaircolourmag IS 'colour of the penultimate pair, extinction corrected [mag, AB]';

COMMENT ON COLUMN object_features.penultimatepaircolourtemp IS 'black-body temperature of the penultimate pair [kK]';

COMMENT ON COLUMN object_features.latestpaircolourbands IS 'bands of the latest pair, bluer first, as g-r';

COMMENT ON COLUMN object_features.penultimatepaircolourbands IS 'bands of the penultimate pair, bluer first, as g-r';

ALTER TABLE ingest_batch_facts ADD COLUMN inputs JSONB DEFAULT '{}' NOT NULL;

COMMENT ON COLUMN ingest_batch_facts.inputs IS 'versions of what they were made from besides alerts, by asset: dust maps, catalogues, models';
