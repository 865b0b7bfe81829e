DROP INDEX diasources_lightcurve;

CREATE UNIQUE INDEX diasources_lightcurve ON diasources (diaobjectid, midpointmjdtai, diasourceid, reduction) INCLUDE (visit, band, psfflux, psffluxerr, reliability, timewithdrawnmjdtai);

DROP INDEX diaforcedsources_lightcurve;

CREATE UNIQUE INDEX diaforcedsources_lightcurve ON diaforcedsources (diaobjectid, midpointmjdtai, diaforcedsourceid, reduction) INCLUDE (visit, band, psfflux, psffluxerr, timewithdrawnmjdtai);
