ALTER TABLE diasources ADD COLUMN reduction SMALLINT DEFAULT 0 NOT NULL;

ALTER TABLE diasources ADD COLUMN broughtby BIGINT;

ALTER TABLE diasources ADD COLUMN broughtbymjdtai DOUBLE PRECISION;

COMMENT ON COLUMN diasources.reduction IS 'reduction of the data: 0 that of the alerts';

COMMENT ON COLUMN diasources.broughtby IS 'source whose packet brought the row: its own, else the earliest that has the point';

COMMENT ON COLUMN diasources.broughtbymjdtai IS 'time of that source [d, MJD TAI]';

ALTER TABLE diaforcedsources ADD COLUMN reduction SMALLINT DEFAULT 0 NOT NULL;

ALTER TABLE diaforcedsources ADD COLUMN broughtby BIGINT;

ALTER TABLE diaforcedsources ADD COLUMN broughtbymjdtai DOUBLE PRECISION;

COMMENT ON COLUMN diaforcedsources.reduction IS 'reduction of the data: 0 that of the alerts';

COMMENT ON COLUMN diaforcedsources.broughtby IS 'source whose packet brought the row: its own, else the earliest that has the point';

COMMENT ON COLUMN diaforcedsources.broughtbymjdtai IS 'time of that source [d, MJD TAI]';

ALTER TABLE dianondetectionlimits ADD COLUMN reduction SMALLINT DEFAULT 0 NOT NULL;

ALTER TABLE dianondetectionlimits ADD COLUMN broughtby BIGINT;

ALTER TABLE dianondetectionlimits ADD COLUMN broughtbymjdtai DOUBLE PRECISION;

ALTER TABLE dianondetectionlimits ADD COLUMN exposure BIGINT;

COMMENT ON COLUMN dianondetectionlimits.reduction IS 'reduction of the data: 0 that of the alerts';

COMMENT ON COLUMN dianondetectionlimits.broughtby IS 'source whose packet brought the row: its own, else the earliest that has the point';

COMMENT ON COLUMN dianondetectionlimits.broughtbymjdtai IS 'time of that source [d, MJD TAI]';

COMMENT ON COLUMN dianondetectionlimits.exposure IS 'ccdVisitId, else visit and detector, else minus the time in tenths of a second: what identifies the limit';

UPDATE dianondetectionlimits SET exposure = CASE
	WHEN survey <> 3 AND ccdvisitid > 0 THEN ccdvisitid
	WHEN survey <> 3 AND visit > 0 THEN visit * 1000 + coalesce(detector, 0)
	ELSE -round(midpointmjdtai * 864000)::bigint END;

ALTER TABLE dianondetectionlimits ALTER COLUMN exposure SET NOT NULL;

UPDATE diasources SET broughtby = diasourceid, broughtbymjdtai = midpointmjdtai WHERE archivefileid IS NOT NULL;

CREATE TEMPORARY TABLE own ON COMMIT DROP AS SELECT DISTINCT ON (diaobjectid, ingestid) diaobjectid, ingestid, diasourceid, midpointmjdtai FROM diasources WHERE archivefileid IS NOT NULL ORDER BY diaobjectid, ingestid, midpointmjdtai, diasourceid;

UPDATE diasources AS point SET broughtby = own.diasourceid, broughtbymjdtai = own.midpointmjdtai FROM own WHERE own.diaobjectid = point.diaobjectid AND own.ingestid = point.ingestid AND point.archivefileid IS NULL;

UPDATE diaforcedsources AS point SET broughtby = own.diasourceid, broughtbymjdtai = own.midpointmjdtai FROM own WHERE own.diaobjectid = point.diaobjectid AND own.ingestid = point.ingestid;

UPDATE dianondetectionlimits AS point SET broughtby = own.diasourceid, broughtbymjdtai = own.midpointmjdtai FROM own WHERE own.diaobjectid = point.diaobjectid AND own.ingestid = point.ingestid;

DROP INDEX diasources_lightcurve;

CREATE UNIQUE INDEX diasources_lightcurve ON diasources (diaobjectid, midpointmjdtai, diasourceid, reduction) INCLUDE (band, psfflux, psffluxerr, reliability);

DROP INDEX diaforcedsources_lightcurve;

CREATE UNIQUE INDEX diaforcedsources_lightcurve ON diaforcedsources (diaobjectid, midpointmjdtai, diaforcedsourceid, reduction) INCLUDE (band, psfflux, psffluxerr);

DROP INDEX dianondetectionlimits_lightcurve;

CREATE UNIQUE INDEX dianondetectionlimits_lightcurve ON dianondetectionlimits (diaobjectid, midpointmjdtai, exposure, band, reduction) INCLUDE (dianoise);

CREATE TABLE point_sums (
	diaobjectid BIGINT NOT NULL, 
	changes BIGINT DEFAULT 0 NOT NULL, 
	removals BIGINT DEFAULT 0 NOT NULL, 
	months BYTEA, 
	CONSTRAINT point_sums_pkey PRIMARY KEY (diaobjectid)
);

COMMENT ON TABLE point_sums IS 'What is stored of each DIAObject''s light curve, to know without reading it which points are new';

COMMENT ON COLUMN point_sums.diaobjectid IS 'DIAObject';

COMMENT ON COLUMN point_sums.changes IS 'how often its points were written';

COMMENT ON COLUMN point_sums.removals IS 'how often points of it were removed';

COMMENT ON COLUMN point_sums.months IS 'count and sum of the hashes of its points by kind and month; null: not known, to be recounted';

ALTER TABLE point_sums SET (fillfactor = 70);

INSERT INTO point_sums (diaobjectid) SELECT diaobjectid FROM diasources WHERE diaobjectid <> 0 UNION SELECT diaobjectid FROM diaforcedsources WHERE diaobjectid <> 0 UNION SELECT diaobjectid FROM dianondetectionlimits WHERE diaobjectid <> 0;

COMMENT ON COLUMN objects.lastforcedmjdtai IS 'time of the newest forced point that is stored [d, MJD TAI]';
